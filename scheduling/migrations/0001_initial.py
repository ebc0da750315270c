import uuid

import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.contrib.postgres.fields.ranges
import django.contrib.postgres.operations
import django.core.validators
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.functions.comparison
import pgtrigger.compiler
from django.conf import settings
from django.db import migrations, models

import clinic.validators


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("clinic", "0001_initial"),
        ("clinic", "__first__"),
        ("patients", "0001_initial"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        django.contrib.postgres.operations.BtreeGistExtension(),
        migrations.CreateModel(
            name="RosterState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.UUIDField()),
            ],
            options={
                "verbose_name": "state of who is there",
                "verbose_name_plural": "state of who is there",
            },
        ),
        migrations.CreateModel(
            name="Capability",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.SlugField(unique=True, verbose_name="code")),
                ("name", models.CharField(max_length=120, verbose_name="name")),
            ],
            options={
                "verbose_name": "capability",
                "verbose_name_plural": "capabilities",
                "ordering": ["code"],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="roster_changes",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n        UPDATE scheduling_rosterstate SET token = gen_random_uuid()\n        WHERE id = (SELECT id FROM scheduling_rosterstate ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n        IF NOT FOUND THEN\n            INSERT INTO scheduling_rosterstate (token) VALUES (gen_random_uuid());\n        END IF;\n        RETURN NULL;\n    ",
                            hash="be192c96423ee370becfb5a9fb5cc86df8fc4cde",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE OR TRUNCATE",
                            pgid="pgtrigger_roster_changes_94a1b",
                            table="scheduling_capability",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Protocol",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(unique=True, verbose_name="key")),
                ("name", models.CharField(max_length=120, verbose_name="name")),
            ],
            options={
                "verbose_name": "protocol",
                "verbose_name_plural": "protocols",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="ConsentText",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("language", models.CharField(default="en", max_length=10, verbose_name="language")),
                ("number", models.PositiveSmallIntegerField(verbose_name="version")),
                ("body", models.TextField(verbose_name="text")),
                ("valid_from", models.DateField(blank=True, null=True, verbose_name="valid from")),
                (
                    "protocol",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="consent_texts",
                        to="scheduling.protocol",
                    ),
                ),
            ],
            options={
                "verbose_name": "consent text",
                "verbose_name_plural": "consent texts",
                "ordering": ["protocol", "language", "-number"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("protocol", "language", "number"),
                        name="consent_text_version_is_used_once_in_a_language",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MessageText",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("confirmation", "confirmation"),
                            ("preparation", "preparation"),
                            ("reminder", "reminder"),
                            ("changed", "changed"),
                            ("cancelled", "cancelled"),
                            ("call_us", "please call us"),
                            ("aftercare", "aftercare"),
                            ("check", "is everything fine?"),
                            ("recall", "recall"),
                            ("overdue", "overdue"),
                            ("offer", "offer"),
                            ("finished", "course finished"),
                        ],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                ("language", models.CharField(default="en", max_length=10, verbose_name="language")),
                ("subject", models.CharField(max_length=150, verbose_name="subject")),
                ("body", models.TextField(verbose_name="text")),
                (
                    "placeholders",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), blank=True, default=list, editable=False, size=None
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "protocol",
                    models.ForeignKey(
                        blank=True,
                        help_text="blank: all protocols",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="message_texts",
                        to="scheduling.protocol",
                    ),
                ),
            ],
            options={
                "verbose_name": "message text",
                "verbose_name_plural": "message texts",
                "ordering": ["kind", "language"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "language", "protocol"),
                        name="message_text_is_written_once_in_a_language",
                        nulls_distinct=False,
                    )
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_messagetextevent" ("body", "changed_at", "id", "kind", "language", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "placeholders", "protocol_id", "subject") VALUES (NEW."body", NEW."changed_at", NEW."id", NEW."kind", NEW."language", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."placeholders", NEW."protocol_id", NEW."subject"); RETURN NULL;',
                            hash="93a7d893812943fddf27433b6439b7fb067a85ec",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_0a9fe",
                            table="scheduling_messagetext",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_messagetextevent" ("body", "changed_at", "id", "kind", "language", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "placeholders", "protocol_id", "subject") VALUES (NEW."body", NEW."changed_at", NEW."id", NEW."kind", NEW."language", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."placeholders", NEW."protocol_id", NEW."subject"); RETURN NULL;',
                            hash="71529d94f9e56a0b7a7fc071dae4b1e6b43b84c3",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_42d6b",
                            table="scheduling_messagetext",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Closure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("first_on", models.DateField(verbose_name="first day")),
                ("last_on", models.DateField(verbose_name="last day")),
                (
                    "from_time",
                    models.TimeField(blank=True, help_text="blank: the whole day", null=True, verbose_name="from"),
                ),
                ("until_time", models.TimeField(blank=True, null=True, verbose_name="until")),
                (
                    "name",
                    models.CharField(
                        max_length=120, validators=[clinic.validators.validate_one_line], verbose_name="name"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("holiday", "public holiday"), ("clinic", "the clinic's own")],
                        default="clinic",
                        max_length=10,
                        verbose_name="source",
                    ),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "cancelled_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="taken back"),
                ),
                (
                    "cancelled_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="closures", to="clinic.site"
                    ),
                ),
            ],
            options={
                "verbose_name": "closure",
                "verbose_name_plural": "closures",
                "ordering": ["first_on"],
                "indexes": [models.Index(fields=["site", "first_on", "last_on"], name="closure_by_site_and_day")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last_on__gte", models.F("first_on"))),
                        name="closure_ends_on_or_after_its_first_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("from_time", None), ("until_time", None)),
                            ("until_time__gt", models.F("from_time")),
                            _connector="OR",
                        ),
                        name="closure_of_part_of_a_day_has_both_times",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="roster_changes",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n        UPDATE scheduling_rosterstate SET token = gen_random_uuid()\n        WHERE id = (SELECT id FROM scheduling_rosterstate ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n        IF NOT FOUND THEN\n            INSERT INTO scheduling_rosterstate (token) VALUES (gen_random_uuid());\n        END IF;\n        RETURN NULL;\n    ",
                            hash="a187c02f6e676b8ef207c0b5c4d42b7b1b59ed4c",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE OR TRUNCATE",
                            pgid="pgtrigger_roster_changes_dfced",
                            table="scheduling_closure",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_closureevent" ("cancelled_at", "cancelled_by_id", "first_on", "from_time", "id", "last_on", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "recorded_at", "recorded_by_id", "site_id", "source", "uid", "until_time") VALUES (NEW."cancelled_at", NEW."cancelled_by_id", NEW."first_on", NEW."from_time", NEW."id", NEW."last_on", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."recorded_at", NEW."recorded_by_id", NEW."site_id", NEW."source", NEW."uid", NEW."until_time"); RETURN NULL;',
                            hash="881179db0299ffad81ae2c3548b869f59a1f150c",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_30a6d",
                            table="scheduling_closure",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_closureevent" ("cancelled_at", "cancelled_by_id", "first_on", "from_time", "id", "last_on", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "recorded_at", "recorded_by_id", "site_id", "source", "uid", "until_time") VALUES (NEW."cancelled_at", NEW."cancelled_by_id", NEW."first_on", NEW."from_time", NEW."id", NEW."last_on", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."recorded_at", NEW."recorded_by_id", NEW."site_id", NEW."source", NEW."uid", NEW."until_time"); RETURN NULL;',
                            hash="2a737066d5cda5916d91748c6b8d3e4443426c20",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_b061b",
                            table="scheduling_closure",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ClosureEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("first_on", models.DateField(verbose_name="first day")),
                ("last_on", models.DateField(verbose_name="last day")),
                (
                    "from_time",
                    models.TimeField(blank=True, help_text="blank: the whole day", null=True, verbose_name="from"),
                ),
                ("until_time", models.TimeField(blank=True, null=True, verbose_name="until")),
                (
                    "name",
                    models.CharField(
                        max_length=120, validators=[clinic.validators.validate_one_line], verbose_name="name"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("holiday", "public holiday"), ("clinic", "the clinic's own")],
                        default="clinic",
                        max_length=10,
                        verbose_name="source",
                    ),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "cancelled_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="taken back"),
                ),
                (
                    "cancelled_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.closure",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="clinic.site",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="fff27f157a5107d199266457223d63484d8aa57b",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_f4a48",
                            table="scheduling_closureevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MessageTextEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("confirmation", "confirmation"),
                            ("preparation", "preparation"),
                            ("reminder", "reminder"),
                            ("changed", "changed"),
                            ("cancelled", "cancelled"),
                            ("call_us", "please call us"),
                            ("aftercare", "aftercare"),
                            ("check", "is everything fine?"),
                            ("recall", "recall"),
                            ("overdue", "overdue"),
                            ("offer", "offer"),
                            ("finished", "course finished"),
                        ],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                ("language", models.CharField(default="en", max_length=10, verbose_name="language")),
                ("subject", models.CharField(max_length=150, verbose_name="subject")),
                ("body", models.TextField(verbose_name="text")),
                (
                    "placeholders",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), blank=True, default=list, editable=False, size=None
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.messagetext",
                    ),
                ),
                (
                    "protocol",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="blank: all protocols",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.protocol",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="1cec5b2f6a3e1ca86ab87193f81b4e4cdfb71d39",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_290e0",
                            table="scheduling_messagetextevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProtocolVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("number", models.PositiveSmallIntegerField(verbose_name="version")),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "draft"), ("approved", "approved"), ("retired", "retired")],
                        default="draft",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("effective_from", models.DateField(blank=True, null=True, verbose_name="effective from")),
                (
                    "effective_to",
                    models.DateField(blank=True, help_text="last day", null=True, verbose_name="effective to"),
                ),
                ("product", models.CharField(blank=True, max_length=120, verbose_name="product")),
                ("jurisdiction", models.CharField(blank=True, max_length=10, verbose_name="jurisdiction")),
                ("notes", models.TextField(blank=True, verbose_name="notes and sources")),
                (
                    "consent_at",
                    models.CharField(
                        blank=True,
                        choices=[("", "not asked"), ("booking", "booking"), ("visit", "the visit")],
                        default="booking",
                        max_length=10,
                        verbose_name="consent must stand at",
                    ),
                ),
                (
                    "consent_scope",
                    models.CharField(
                        choices=[("course", "the course"), ("session", "each session")],
                        default="course",
                        max_length=10,
                        verbose_name="consent is for",
                    ),
                ),
                ("consent_valid_for", models.CharField(blank=True, max_length=60, verbose_name="consent is valid for")),
                (
                    "assessment_valid_for",
                    models.CharField(blank=True, max_length=60, verbose_name="assessment is valid for"),
                ),
                (
                    "assessment_cooling_off",
                    models.CharField(blank=True, max_length=60, verbose_name="cooling-off after assessment"),
                ),
                (
                    "minimum_age",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="years", null=True, verbose_name="minimum age"
                    ),
                ),
                (
                    "adult_age",
                    models.PositiveSmallIntegerField(
                        default=18,
                        help_text="years; for who is younger, a guardian consents",
                        verbose_name="of age from",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created")),
                ("retired_at", models.DateTimeField(blank=True, null=True, verbose_name="retired")),
                (
                    "retire_reason",
                    models.CharField(blank=True, max_length=300, verbose_name="why it was retired"),
                ),
                (
                    "areas",
                    models.ManyToManyField(
                        blank=True, related_name="+", to="patients.area", verbose_name="allowed areas"
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "protocol",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="scheduling.protocol"
                    ),
                ),
                (
                    "retired_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "protocol version",
                "verbose_name_plural": "protocol versions",
                "ordering": ["protocol__name", "-number"],
                "constraints": [
                    models.UniqueConstraint(fields=("protocol", "number"), name="protocol_version_number_is_used_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("effective_to", None),
                            ("effective_from", None),
                            ("effective_to__gte", models.F("effective_from")),
                            _connector="OR",
                        ),
                        name="protocol_version_is_effective_to_a_day_after_it_began",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("retired_at__isnull", False),
                                ("state", "retired"),
                                models.Q(("retire_reason", ""), _negated=True),
                            ),
                            models.Q(models.Q(("state", "retired"), _negated=True), ("retired_at", None)),
                            _connector="OR",
                        ),
                        name="protocol_version_that_is_retired_says_when_and_why",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_protocolversionevent" ("adult_age", "assessment_cooling_off", "assessment_valid_for", "consent_at", "consent_scope", "consent_valid_for", "created_at", "created_by_id", "effective_from", "effective_to", "id", "jurisdiction", "minimum_age", "notes", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product", "protocol_id", "retire_reason", "retired_at", "retired_by_id", "state", "uid") VALUES (NEW."adult_age", NEW."assessment_cooling_off", NEW."assessment_valid_for", NEW."consent_at", NEW."consent_scope", NEW."consent_valid_for", NEW."created_at", NEW."created_by_id", NEW."effective_from", NEW."effective_to", NEW."id", NEW."jurisdiction", NEW."minimum_age", NEW."notes", NEW."number", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."product", NEW."protocol_id", NEW."retire_reason", NEW."retired_at", NEW."retired_by_id", NEW."state", NEW."uid"); RETURN NULL;',
                            hash="f42e58c87c0e9f9674b57c464999a82d1e30214e",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_86a18",
                            table="scheduling_protocolversion",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_protocolversionevent" ("adult_age", "assessment_cooling_off", "assessment_valid_for", "consent_at", "consent_scope", "consent_valid_for", "created_at", "created_by_id", "effective_from", "effective_to", "id", "jurisdiction", "minimum_age", "notes", "number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product", "protocol_id", "retire_reason", "retired_at", "retired_by_id", "state", "uid") VALUES (NEW."adult_age", NEW."assessment_cooling_off", NEW."assessment_valid_for", NEW."consent_at", NEW."consent_scope", NEW."consent_valid_for", NEW."created_at", NEW."created_by_id", NEW."effective_from", NEW."effective_to", NEW."id", NEW."jurisdiction", NEW."minimum_age", NEW."notes", NEW."number", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."product", NEW."protocol_id", NEW."retire_reason", NEW."retired_at", NEW."retired_by_id", NEW."state", NEW."uid"); RETURN NULL;',
                            hash="0065e04bdcd2164f2a8412741d2b4d23725218b1",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_133f1",
                            table="scheduling_protocolversion",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CoolingOff",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount", models.CharField(max_length=60, verbose_name="time to think")),
                (
                    "jurisdiction",
                    models.CharField(
                        blank=True, help_text="blank: everywhere", max_length=10, verbose_name="jurisdiction"
                    ),
                ),
                (
                    "under_age",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="years; blank: at every age", null=True, verbose_name="under the age of"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cooling_off",
                        to="scheduling.protocolversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "cooling-off",
                "verbose_name_plural": "cooling-offs",
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "jurisdiction", "under_age"),
                        name="cooling_off_is_said_once_for_a_place_and_age",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProtocolApproval",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(verbose_name="approved")),
                ("note", models.TextField(blank=True, verbose_name="note")),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="approvals",
                        to="scheduling.protocolversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "approval",
                "verbose_name_plural": "approvals",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "by"), name="protocol_version_is_approved_once_by_a_person"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MessagePolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.SlugField(verbose_name="kind")),
                (
                    "days",
                    models.SmallIntegerField(
                        default=0, help_text="before the visit; after it when negative", verbose_name="days"
                    ),
                ),
                (
                    "booked_ahead_days",
                    models.PositiveSmallIntegerField(
                        blank=True, null=True, verbose_name="only if booked more than … days ahead"
                    ),
                ),
                ("is_on", models.BooleanField(default=True, verbose_name="sent")),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="message_policies",
                        to="scheduling.protocolversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "message rule",
                "verbose_name_plural": "message rules",
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "kind", "days"), name="message_kind_is_sent_once_on_a_day"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProtocolVersionEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("number", models.PositiveSmallIntegerField(verbose_name="version")),
                (
                    "state",
                    models.CharField(
                        choices=[("draft", "draft"), ("approved", "approved"), ("retired", "retired")],
                        default="draft",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("effective_from", models.DateField(blank=True, null=True, verbose_name="effective from")),
                (
                    "effective_to",
                    models.DateField(blank=True, help_text="last day", null=True, verbose_name="effective to"),
                ),
                ("product", models.CharField(blank=True, max_length=120, verbose_name="product")),
                ("jurisdiction", models.CharField(blank=True, max_length=10, verbose_name="jurisdiction")),
                ("notes", models.TextField(blank=True, verbose_name="notes and sources")),
                (
                    "consent_at",
                    models.CharField(
                        blank=True,
                        choices=[("", "not asked"), ("booking", "booking"), ("visit", "the visit")],
                        default="booking",
                        max_length=10,
                        verbose_name="consent must stand at",
                    ),
                ),
                (
                    "consent_scope",
                    models.CharField(
                        choices=[("course", "the course"), ("session", "each session")],
                        default="course",
                        max_length=10,
                        verbose_name="consent is for",
                    ),
                ),
                ("consent_valid_for", models.CharField(blank=True, max_length=60, verbose_name="consent is valid for")),
                (
                    "assessment_valid_for",
                    models.CharField(blank=True, max_length=60, verbose_name="assessment is valid for"),
                ),
                (
                    "assessment_cooling_off",
                    models.CharField(blank=True, max_length=60, verbose_name="cooling-off after assessment"),
                ),
                (
                    "minimum_age",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="years", null=True, verbose_name="minimum age"
                    ),
                ),
                (
                    "adult_age",
                    models.PositiveSmallIntegerField(
                        default=18,
                        help_text="years; for who is younger, a guardian consents",
                        verbose_name="of age from",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created")),
                ("retired_at", models.DateTimeField(blank=True, null=True, verbose_name="retired")),
                (
                    "retire_reason",
                    models.CharField(blank=True, max_length=300, verbose_name="why it was retired"),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.protocolversion",
                    ),
                ),
                (
                    "protocol",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.protocol",
                    ),
                ),
                (
                    "retired_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="70f30afeb277cea6f67cc40268ca38a8214ac3a9",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_2b705",
                            table="scheduling_protocolversionevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Resource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("practitioner", "practitioner"), ("room", "room"), ("device", "device")],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=120, validators=[clinic.validators.validate_one_line], verbose_name="name"
                    ),
                ),
                (
                    "places",
                    models.PositiveSmallIntegerField(
                        default=1,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(50),
                        ],
                        verbose_name="places",
                    ),
                ),
                ("languages", models.JSONField(blank=True, default=list, verbose_name="languages")),
                ("active_from", models.DateField(blank=True, null=True, verbose_name="active from")),
                ("active_to", models.DateField(blank=True, help_text="last day", null=True, verbose_name="active to")),
                (
                    "user",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resource",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="signs in as",
                    ),
                ),
            ],
            options={
                "verbose_name": "resource",
                "verbose_name_plural": "resources",
                "ordering": ["kind", "name"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("places__gte", 1)), name="resource_has_a_place"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("active_from", None),
                            ("active_to", None),
                            ("active_to__gte", models.F("active_from")),
                            _connector="OR",
                        ),
                        name="resource_is_active_to_a_day_after_it_began",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="roster_changes",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n        UPDATE scheduling_rosterstate SET token = gen_random_uuid()\n        WHERE id = (SELECT id FROM scheduling_rosterstate ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n        IF NOT FOUND THEN\n            INSERT INTO scheduling_rosterstate (token) VALUES (gen_random_uuid());\n        END IF;\n        RETURN NULL;\n    ",
                            hash="799c25ce14227888786747e37a3c856f5f059146",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE OR TRUNCATE",
                            pgid="pgtrigger_roster_changes_92ff8",
                            table="scheduling_resource",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_resourceevent" ("active_from", "active_to", "id", "kind", "languages", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "places", "uid", "user_id") VALUES (NEW."active_from", NEW."active_to", NEW."id", NEW."kind", NEW."languages", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."places", NEW."uid", NEW."user_id"); RETURN NULL;',
                            hash="cc475ea5daa48d1fa263325b750cf79c0d2f09c2",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_c875b",
                            table="scheduling_resource",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_resourceevent" ("active_from", "active_to", "id", "kind", "languages", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "places", "uid", "user_id") VALUES (NEW."active_from", NEW."active_to", NEW."id", NEW."kind", NEW."languages", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."places", NEW."uid", NEW."user_id"); RETURN NULL;',
                            hash="4ebe265b12ff6eb7a8f4710868cc97f7cfc19f66",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_bcc1f",
                            table="scheduling_resource",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Absence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("leave", "leave"),
                            ("illness", "illness"),
                            ("training", "training"),
                            ("repair", "out of order"),
                            ("other", "other"),
                        ],
                        default="leave",
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("first_on", models.DateField(verbose_name="first day")),
                ("last_on", models.DateField(verbose_name="last day")),
                (
                    "from_time",
                    models.TimeField(blank=True, help_text="blank: the whole day", null=True, verbose_name="from"),
                ),
                ("until_time", models.TimeField(blank=True, null=True, verbose_name="until")),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="note",
                    ),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "cancelled_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="taken back"),
                ),
                (
                    "cancelled_by",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="absences", to="scheduling.resource"
                    ),
                ),
            ],
            options={
                "verbose_name": "absence",
                "verbose_name_plural": "absences",
                "ordering": ["-first_on"],
                "indexes": [
                    models.Index(fields=["resource", "first_on", "last_on"], name="absence_by_resource_and_day")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last_on__gte", models.F("first_on"))),
                        name="absence_ends_on_or_after_its_first_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("from_time", None), ("until_time", None)),
                            ("until_time__gt", models.F("from_time")),
                            _connector="OR",
                        ),
                        name="absence_of_part_of_a_day_has_both_times",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="roster_changes",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n        UPDATE scheduling_rosterstate SET token = gen_random_uuid()\n        WHERE id = (SELECT id FROM scheduling_rosterstate ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n        IF NOT FOUND THEN\n            INSERT INTO scheduling_rosterstate (token) VALUES (gen_random_uuid());\n        END IF;\n        RETURN NULL;\n    ",
                            hash="370579b38e0c170d8d2e56e35eb53493a981e5aa",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE OR TRUNCATE",
                            pgid="pgtrigger_roster_changes_0df44",
                            table="scheduling_absence",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_absenceevent" ("cancelled_at", "cancelled_by_id", "first_on", "from_time", "id", "kind", "last_on", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "recorded_at", "recorded_by_id", "resource_id", "uid", "until_time") VALUES (NEW."cancelled_at", NEW."cancelled_by_id", NEW."first_on", NEW."from_time", NEW."id", NEW."kind", NEW."last_on", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."recorded_at", NEW."recorded_by_id", NEW."resource_id", NEW."uid", NEW."until_time"); RETURN NULL;',
                            hash="22a5080ee24a271a40511a6e9cfc7536c72641c9",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_61f92",
                            table="scheduling_absence",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."cancelled_at" IS DISTINCT FROM (NEW."cancelled_at") OR OLD."cancelled_by_id" IS DISTINCT FROM (NEW."cancelled_by_id") OR OLD."first_on" IS DISTINCT FROM (NEW."first_on") OR OLD."from_time" IS DISTINCT FROM (NEW."from_time") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."last_on" IS DISTINCT FROM (NEW."last_on") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at") OR OLD."recorded_by_id" IS DISTINCT FROM (NEW."recorded_by_id") OR OLD."resource_id" IS DISTINCT FROM (NEW."resource_id") OR OLD."uid" IS DISTINCT FROM (NEW."uid") OR OLD."until_time" IS DISTINCT FROM (NEW."until_time"))',
                            func='INSERT INTO "scheduling_absenceevent" ("cancelled_at", "cancelled_by_id", "first_on", "from_time", "id", "kind", "last_on", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "recorded_at", "recorded_by_id", "resource_id", "uid", "until_time") VALUES (NEW."cancelled_at", NEW."cancelled_by_id", NEW."first_on", NEW."from_time", NEW."id", NEW."kind", NEW."last_on", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."recorded_at", NEW."recorded_by_id", NEW."resource_id", NEW."uid", NEW."until_time"); RETURN NULL;',
                            hash="ac91022f13c0b7462acb036d1cbb270d3304a252",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_39a57",
                            table="scheduling_absence",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Course",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "open"), ("completed", "completed"), ("ended", "ended")],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("started_at", models.DateTimeField(verbose_name="started")),
                ("started_on", models.DateField(verbose_name="started on")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                ("end_reason", models.CharField(blank=True, max_length=300, verbose_name="reason")),
                ("revision", models.PositiveIntegerField(default=1, editable=False)),
                ("billing_reference", models.CharField(blank=True, max_length=80, verbose_name="billing reference")),
                (
                    "wish_weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(), blank=True, default=list, size=None
                    ),
                ),
                ("wish_from_time", models.TimeField(blank=True, null=True, verbose_name="not before")),
                ("wish_until_time", models.TimeField(blank=True, null=True, verbose_name="done by")),
                (
                    "wish_avoid_dates",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateField(), blank=True, default=list, size=None
                    ),
                ),
                ("wish_language", models.CharField(blank=True, max_length=10, verbose_name="wished language")),
                ("wish_is_strict", models.BooleanField(default=False, verbose_name="wishes are musts")),
                (
                    "areas",
                    models.ManyToManyField(blank=True, related_name="+", to="patients.area", verbose_name="areas"),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="courses", to="patients.patient"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="courses", to="clinic.site"
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="courses",
                        to="scheduling.protocolversion",
                        verbose_name="protocol",
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="scheduling.resource",
                        verbose_name="lead practitioner",
                    ),
                ),
                (
                    "wish_practitioner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="scheduling.resource",
                        verbose_name="wished practitioner",
                    ),
                ),
            ],
            options={
                "verbose_name": "course",
                "verbose_name_plural": "courses",
                "ordering": ["-started_at", "-id"],
                "indexes": [models.Index(fields=["patient", "state"], name="course_by_patient_and_state")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("patient", "version"),
                        name="patient_has_one_open_course_of_a_version",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at", None), ("state", "open")),
                            models.Q(models.Q(("state", "open"), _negated=True), ("ended_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="course_that_is_over_says_when",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "ended"), _negated=True),
                            models.Q(("end_reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="course_that_ended_says_why",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_courseevent" ("billing_reference", "end_reason", "ended_at", "id", "lead_id", "patient_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "revision", "site_id", "started_at", "started_by_id", "started_on", "state", "uid", "version_id", "wish_avoid_dates", "wish_from_time", "wish_is_strict", "wish_language", "wish_practitioner_id", "wish_until_time", "wish_weekdays") VALUES (NEW."billing_reference", NEW."end_reason", NEW."ended_at", NEW."id", NEW."lead_id", NEW."patient_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."revision", NEW."site_id", NEW."started_at", NEW."started_by_id", NEW."started_on", NEW."state", NEW."uid", NEW."version_id", NEW."wish_avoid_dates", NEW."wish_from_time", NEW."wish_is_strict", NEW."wish_language", NEW."wish_practitioner_id", NEW."wish_until_time", NEW."wish_weekdays"); RETURN NULL;',
                            hash="7ecda6df7d29d53d7b71b3fd9114e6c73e280258",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_3301c",
                            table="scheduling_course",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_courseevent" ("billing_reference", "end_reason", "ended_at", "id", "lead_id", "patient_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "revision", "site_id", "started_at", "started_by_id", "started_on", "state", "uid", "version_id", "wish_avoid_dates", "wish_from_time", "wish_is_strict", "wish_language", "wish_practitioner_id", "wish_until_time", "wish_weekdays") VALUES (NEW."billing_reference", NEW."end_reason", NEW."ended_at", NEW."id", NEW."lead_id", NEW."patient_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."revision", NEW."site_id", NEW."started_at", NEW."started_by_id", NEW."started_on", NEW."state", NEW."uid", NEW."version_id", NEW."wish_avoid_dates", NEW."wish_from_time", NEW."wish_is_strict", NEW."wish_language", NEW."wish_practitioner_id", NEW."wish_until_time", NEW."wish_weekdays"); RETURN NULL;',
                            hash="d40a044b9636b1ceb874d6d7f21ee5bbcfb652fe",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_a2ae8",
                            table="scheduling_course",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ContactAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("phone", "phone"),
                            ("email", "e-mail"),
                            ("letter", "letter"),
                            ("in_person", "in person"),
                        ],
                        max_length=10,
                        verbose_name="by",
                    ),
                ),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("reached", "reached"),
                            ("no_answer", "no answer"),
                            ("message_left", "left a message"),
                            ("wrong_number", "wrong number"),
                        ],
                        max_length=14,
                        verbose_name="result",
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contact_attempts",
                        to="patients.patient",
                    ),
                ),
                (
                    "course",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contact_attempts",
                        to="scheduling.course",
                    ),
                ),
            ],
            options={
                "verbose_name": "contact attempt",
                "verbose_name_plural": "contact attempts",
                "ordering": ["-at"],
            },
        ),
        migrations.CreateModel(
            name="ExtraOpening",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("on", models.DateField(verbose_name="date")),
                ("from_time", models.TimeField(verbose_name="from")),
                ("until_time", models.TimeField(verbose_name="until")),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="reason",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="clinic.site"),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="extra_openings",
                        to="scheduling.resource",
                    ),
                ),
            ],
            options={
                "verbose_name": "extra opening",
                "verbose_name_plural": "extra openings",
                "ordering": ["on", "from_time"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("until_time__gt", models.F("from_time"))),
                        name="extra_opening_ends_after_it_starts",
                    )
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="roster_changes",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n        UPDATE scheduling_rosterstate SET token = gen_random_uuid()\n        WHERE id = (SELECT id FROM scheduling_rosterstate ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n        IF NOT FOUND THEN\n            INSERT INTO scheduling_rosterstate (token) VALUES (gen_random_uuid());\n        END IF;\n        RETURN NULL;\n    ",
                            hash="a3840e4c4e23fef1d99cb927a2abfa0338bc33ba",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE OR TRUNCATE",
                            pgid="pgtrigger_roster_changes_ab9f0",
                            table="scheduling_extraopening",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_extraopeningevent" ("from_time", "id", "on", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "resource_id", "site_id", "until_time") VALUES (NEW."from_time", NEW."id", NEW."on", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."reason", NEW."resource_id", NEW."site_id", NEW."until_time"); RETURN NULL;',
                            hash="6c916f7cf8fa621823c104c54316ca3b26da7fed",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_7e5da",
                            table="scheduling_extraopening",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_extraopeningevent" ("from_time", "id", "on", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "resource_id", "site_id", "until_time") VALUES (NEW."from_time", NEW."id", NEW."on", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."reason", NEW."resource_id", NEW."site_id", NEW."until_time"); RETURN NULL;',
                            hash="c639f0f43b81d4ce7326e000b36e5f16c87c0d03",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_78602",
                            table="scheduling_extraopening",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "code",
                    models.SlugField(
                        help_text="such as risk_pregnancy, outcome_review, clinician",
                        max_length=60,
                        verbose_name="code",
                    ),
                ),
                ("reason", models.CharField(max_length=300, verbose_name="reason")),
                (
                    "lifted_by_role",
                    models.CharField(
                        choices=[
                            ("reception", "Reception"),
                            ("clinician", "Clinician"),
                            ("prescriber", "Prescriber"),
                            ("manager", "Manager"),
                            ("operator", "Operator"),
                        ],
                        default="clinician",
                        max_length=20,
                        verbose_name="lifted by",
                    ),
                ),
                ("placed_at", models.DateTimeField(verbose_name="placed")),
                ("lifted_at", models.DateTimeField(blank=True, null=True, verbose_name="lifted")),
                ("lift_reason", models.CharField(blank=True, max_length=300, verbose_name="why it was lifted")),
                (
                    "course",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="holds", to="scheduling.course"
                    ),
                ),
                (
                    "lifted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "placed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "hold",
                "verbose_name_plural": "holds",
                "ordering": ["-placed_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("lifted_at", None)),
                        fields=("course", "code"),
                        name="hold_stands_once_for_a_code",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("lifted_at", None), models.Q(("lift_reason", ""), _negated=True), _connector="OR"
                        ),
                        name="hold_lifted_says_why",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_holdevent" ("code", "course_id", "id", "lift_reason", "lifted_at", "lifted_by_id", "lifted_by_role", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "placed_at", "placed_by_id", "reason", "uid") VALUES (NEW."code", NEW."course_id", NEW."id", NEW."lift_reason", NEW."lifted_at", NEW."lifted_by_id", NEW."lifted_by_role", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."placed_at", NEW."placed_by_id", NEW."reason", NEW."uid"); RETURN NULL;',
                            hash="667b0b0ee217ca78522c1061eb00b5fc000a8310",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_c426c",
                            table="scheduling_hold",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_holdevent" ("code", "course_id", "id", "lift_reason", "lifted_at", "lifted_by_id", "lifted_by_role", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "placed_at", "placed_by_id", "reason", "uid") VALUES (NEW."code", NEW."course_id", NEW."id", NEW."lift_reason", NEW."lifted_at", NEW."lifted_by_id", NEW."lifted_by_role", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."placed_at", NEW."placed_by_id", NEW."reason", NEW."uid"); RETURN NULL;',
                            hash="75c9d92f220af2f017e0a60a616fb3ec05b2bbda",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_571e0",
                            table="scheduling_hold",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HoldEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "code",
                    models.SlugField(
                        db_index=False,
                        help_text="such as risk_pregnancy, outcome_review, clinician",
                        max_length=60,
                        verbose_name="code",
                    ),
                ),
                ("reason", models.CharField(max_length=300, verbose_name="reason")),
                (
                    "lifted_by_role",
                    models.CharField(
                        choices=[
                            ("reception", "Reception"),
                            ("clinician", "Clinician"),
                            ("prescriber", "Prescriber"),
                            ("manager", "Manager"),
                            ("operator", "Operator"),
                        ],
                        default="clinician",
                        max_length=20,
                        verbose_name="lifted by",
                    ),
                ),
                ("placed_at", models.DateTimeField(verbose_name="placed")),
                ("lifted_at", models.DateTimeField(blank=True, null=True, verbose_name="lifted")),
                ("lift_reason", models.CharField(blank=True, max_length=300, verbose_name="why it was lifted")),
                (
                    "course",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.course",
                    ),
                ),
                (
                    "lifted_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.hold",
                    ),
                ),
                (
                    "placed_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="7df4c67b8d3a8d88c79b3a3e13015582b141ada5",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_d8be2",
                            table="scheduling_holdevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Hours",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "weekday",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (0, "Monday"),
                            (1, "Tuesday"),
                            (2, "Wednesday"),
                            (3, "Thursday"),
                            (4, "Friday"),
                            (5, "Saturday"),
                            (6, "Sunday"),
                        ],
                        verbose_name="weekday",
                    ),
                ),
                ("from_time", models.TimeField(verbose_name="from")),
                ("until_time", models.TimeField(verbose_name="until")),
                ("valid_from", models.DateField(verbose_name="valid from")),
                ("valid_to", models.DateField(blank=True, help_text="last day", null=True, verbose_name="valid to")),
                (
                    "every_weeks",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="2: alternating weeks, counted from the week of “valid from”",
                        verbose_name="every … weeks",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="clinic.site"),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="hours", to="scheduling.resource"
                    ),
                ),
            ],
            options={
                "verbose_name": "working hours",
                "verbose_name_plural": "working hours",
                "ordering": ["resource", "weekday", "from_time"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("until_time__gt", models.F("from_time"))), name="hours_end_after_they_start"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("weekday__lte", 6)), name="hours_are_on_a_day_of_the_week"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("every_weeks__gte", 1), ("every_weeks__lte", 52)),
                        name="hours_repeat_within_a_year",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_to", None), ("valid_to__gte", models.F("valid_from")), _connector="OR"
                        ),
                        name="hours_are_valid_to_a_day_after_they_began",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="roster_changes",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n        UPDATE scheduling_rosterstate SET token = gen_random_uuid()\n        WHERE id = (SELECT id FROM scheduling_rosterstate ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n        IF NOT FOUND THEN\n            INSERT INTO scheduling_rosterstate (token) VALUES (gen_random_uuid());\n        END IF;\n        RETURN NULL;\n    ",
                            hash="588df4228cb11b3fb01a26b8dc5a37da115d54a9",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE OR TRUNCATE",
                            pgid="pgtrigger_roster_changes_4811f",
                            table="scheduling_hours",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_hoursevent" ("every_weeks", "from_time", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "resource_id", "site_id", "until_time", "valid_from", "valid_to", "weekday") VALUES (NEW."every_weeks", NEW."from_time", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."resource_id", NEW."site_id", NEW."until_time", NEW."valid_from", NEW."valid_to", NEW."weekday"); RETURN NULL;',
                            hash="1aef655ea2dfce87264558f4ec02d3ecb064a721",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_052b0",
                            table="scheduling_hours",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_hoursevent" ("every_weeks", "from_time", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "resource_id", "site_id", "until_time", "valid_from", "valid_to", "weekday") VALUES (NEW."every_weeks", NEW."from_time", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."resource_id", NEW."site_id", NEW."until_time", NEW."valid_from", NEW."valid_to", NEW."weekday"); RETURN NULL;',
                            hash="dd1577dd85beacd4c79a63e0e533af513e30f8da",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_df83e",
                            table="scheduling_hours",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="NamedEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(verbose_name="event")),
                ("happened_on", models.DateField(verbose_name="happened")),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "course",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="scheduling.course"
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "named event",
                "verbose_name_plural": "named events",
                "ordering": ["-happened_on"],
                "constraints": [models.UniqueConstraint(fields=("course", "key"), name="course_knows_an_event_once")],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_namedeventevent" ("course_id", "happened_on", "id", "key", "note", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "recorded_at", "recorded_by_id") VALUES (NEW."course_id", NEW."happened_on", NEW."id", NEW."key", NEW."note", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."recorded_at", NEW."recorded_by_id"); RETURN NULL;',
                            hash="456a18647968fbbb3b7c705127b8ae4eb97705a6",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_c7cea",
                            table="scheduling_namedevent",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_namedeventevent" ("course_id", "happened_on", "id", "key", "note", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "recorded_at", "recorded_by_id") VALUES (NEW."course_id", NEW."happened_on", NEW."id", NEW."key", NEW."note", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."recorded_at", NEW."recorded_by_id"); RETURN NULL;',
                            hash="585aed26ee91c7dc8b91fc57bf3c457b9d9a8e15",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_7c7c9",
                            table="scheduling_namedevent",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="NamedEventEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("key", models.SlugField(db_index=False, verbose_name="event")),
                ("happened_on", models.DateField(verbose_name="happened")),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "course",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.course",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.namedevent",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="18ae7c3e3ddf28d01c3dbbe0572ee7582d3b7c57",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_6101a",
                            table="scheduling_namedeventevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Proposal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "reason",
                    models.SlugField(
                        help_text="performed, missed, moved, cancelled, absence, closure, …", verbose_name="because"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("making", "being worked out"),
                            ("open", "open"),
                            ("applied", "applied"),
                            ("partly", "partly applied"),
                            ("discarded", "discarded"),
                            ("stale", "overtaken"),
                            ("needless", "nothing to move"),
                            ("failed", "not worked out"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("cost", models.PositiveIntegerField(default=0, verbose_name="cost")),
                ("bound", models.PositiveIntegerField(blank=True, null=True, verbose_name="no plan costs less than")),
                (
                    "progress",
                    models.PositiveSmallIntegerField(default=100, help_text="per cent", verbose_name="progress"),
                ),
                ("stage", models.SlugField(blank=True, verbose_name="stage")),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="tries")),
                ("timeouts", models.PositiveSmallIntegerField(default=0, verbose_name="tries that took too long")),
                ("worker", models.UUIDField(editable=False, null=True)),
                ("lease_until", models.DateTimeField(editable=False, null=True)),
                ("stop_asked_at", models.DateTimeField(blank=True, null=True)),
                ("made_at", models.DateTimeField(verbose_name="made")),
                ("decided_at", models.DateTimeField(blank=True, null=True, verbose_name="decided")),
                (
                    "course",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="proposals",
                        to="scheduling.course",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "overtaken_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="overtakes",
                        to="scheduling.proposal",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="proposals", to="clinic.site"
                    ),
                ),
                (
                    "touched",
                    models.ManyToManyField(blank=True, related_name="touched_by", to="scheduling.course"),
                ),
            ],
            options={
                "verbose_name": "proposal",
                "verbose_name_plural": "proposals",
                "ordering": ["-made_at"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["making", "open", "failed"])),
                        fields=["site"],
                        name="undecided_proposal_by_site",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")), fields=("course",), name="course_has_one_open_proposal"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("progress__lte", 100)), name="proposal_progress_is_a_percentage"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at", None), ("state__in", ["making", "open", "failed"])),
                            models.Q(
                                models.Q(("state__in", ["making", "open", "failed"]), _negated=True),
                                ("decided_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="proposal_decided_says_when",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HoursEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                (
                    "weekday",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (0, "Monday"),
                            (1, "Tuesday"),
                            (2, "Wednesday"),
                            (3, "Thursday"),
                            (4, "Friday"),
                            (5, "Saturday"),
                            (6, "Sunday"),
                        ],
                        verbose_name="weekday",
                    ),
                ),
                ("from_time", models.TimeField(verbose_name="from")),
                ("until_time", models.TimeField(verbose_name="until")),
                ("valid_from", models.DateField(verbose_name="valid from")),
                ("valid_to", models.DateField(blank=True, help_text="last day", null=True, verbose_name="valid to")),
                (
                    "every_weeks",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="2: alternating weeks, counted from the week of “valid from”",
                        verbose_name="every … weeks",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.hours",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="clinic.site",
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.resource",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="670cf8c7c1d95caecb6568edda8d0242876dcf93",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_d89ef",
                            table="scheduling_hoursevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ExtraOpeningEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("on", models.DateField(verbose_name="date")),
                ("from_time", models.TimeField(verbose_name="from")),
                ("until_time", models.TimeField(verbose_name="until")),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="reason",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.extraopening",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="clinic.site",
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.resource",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="b0682c5ccb7b345cd196d031b0bdb4802d6a6bc3",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_18524",
                            table="scheduling_extraopeningevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CourseEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "open"), ("completed", "completed"), ("ended", "ended")],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("started_at", models.DateTimeField(verbose_name="started")),
                ("started_on", models.DateField(verbose_name="started on")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                ("end_reason", models.CharField(blank=True, max_length=300, verbose_name="reason")),
                ("revision", models.PositiveIntegerField(default=1, editable=False)),
                ("billing_reference", models.CharField(blank=True, max_length=80, verbose_name="billing reference")),
                (
                    "wish_weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(), blank=True, default=list, size=None
                    ),
                ),
                ("wish_from_time", models.TimeField(blank=True, null=True, verbose_name="not before")),
                ("wish_until_time", models.TimeField(blank=True, null=True, verbose_name="done by")),
                (
                    "wish_avoid_dates",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateField(), blank=True, default=list, size=None
                    ),
                ),
                ("wish_language", models.CharField(blank=True, max_length=10, verbose_name="wished language")),
                ("wish_is_strict", models.BooleanField(default=False, verbose_name="wishes are musts")),
                (
                    "patient",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="patients.patient",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.course",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="clinic.site",
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.protocolversion",
                        verbose_name="protocol",
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.resource",
                        verbose_name="lead practitioner",
                    ),
                ),
                (
                    "wish_practitioner",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.resource",
                        verbose_name="wished practitioner",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="06e658d46168ad3daceb788127c07861e6731791",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_e87df",
                            table="scheduling_courseevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AbsenceEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("leave", "leave"),
                            ("illness", "illness"),
                            ("training", "training"),
                            ("repair", "out of order"),
                            ("other", "other"),
                        ],
                        default="leave",
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                ("first_on", models.DateField(verbose_name="first day")),
                ("last_on", models.DateField(verbose_name="last day")),
                (
                    "from_time",
                    models.TimeField(blank=True, help_text="blank: the whole day", null=True, verbose_name="from"),
                ),
                ("until_time", models.TimeField(blank=True, null=True, verbose_name="until")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "cancelled_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="taken back"),
                ),
                (
                    "cancelled_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.absence",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.resource",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="b00019f6816df1bf90a7d6a53bcf1ed538e842d0",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_a31e9",
                            table="scheduling_absenceevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ResourceCapability",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_on", models.DateField(blank=True, null=True, verbose_name="from")),
                ("until_on", models.DateField(blank=True, help_text="last day", null=True, verbose_name="until")),
                (
                    "capability",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="scheduling.capability"
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="has_capabilities",
                        to="scheduling.resource",
                    ),
                ),
            ],
            options={
                "verbose_name": "capability of a resource",
                "verbose_name_plural": "capabilities of resources",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("resource", "capability", "from_on"),
                        name="resource_has_a_capability_from_a_day_once",
                        nulls_distinct=False,
                    )
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="roster_changes",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="\n        UPDATE scheduling_rosterstate SET token = gen_random_uuid()\n        WHERE id = (SELECT id FROM scheduling_rosterstate ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n        IF NOT FOUND THEN\n            INSERT INTO scheduling_rosterstate (token) VALUES (gen_random_uuid());\n        END IF;\n        RETURN NULL;\n    ",
                            hash="712ec8917b27f493d78c64553d5e07d9b96bc6cf",
                            level="STATEMENT",
                            operation="INSERT OR UPDATE OR DELETE OR TRUNCATE",
                            pgid="pgtrigger_roster_changes_877d9",
                            table="scheduling_resourcecapability",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ResourceEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("practitioner", "practitioner"), ("room", "room"), ("device", "device")],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=120, validators=[clinic.validators.validate_one_line], verbose_name="name"
                    ),
                ),
                (
                    "places",
                    models.PositiveSmallIntegerField(
                        default=1,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(50),
                        ],
                        verbose_name="places",
                    ),
                ),
                ("languages", models.JSONField(blank=True, default=list, verbose_name="languages")),
                ("active_from", models.DateField(blank=True, null=True, verbose_name="active from")),
                ("active_to", models.DateField(blank=True, help_text="last day", null=True, verbose_name="active to")),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.resource",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="signs in as",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="998ed6f835fbcbecacc049a135cbc42ac2d0d79b",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_fce84",
                            table="scheduling_resourceevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RiskRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("absolute", "absolute: nobody overrides"),
                            ("relative", "relative: a prescriber overrides"),
                            ("ask", "a clinician must look at it"),
                        ],
                        max_length=10,
                        verbose_name="severity",
                    ),
                ),
                (
                    "valid_days",
                    models.PositiveSmallIntegerField(help_text="days", verbose_name="an answer is valid for"),
                ),
                ("refused_answers", models.JSONField(default=list, verbose_name="answers that close the gate")),
                (
                    "override_for",
                    models.CharField(
                        choices=[("session", "one session at a time"), ("course", "a session, or the whole course")],
                        default="session",
                        max_length=7,
                        verbose_name="overridden for",
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=300, verbose_name="source")),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="patients.question"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="risk_rules",
                        to="scheduling.protocolversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "risk rule",
                "verbose_name_plural": "risk rules",
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "question"), name="risk_question_is_asked_once_in_a_version"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("valid_days__gte", 1)), name="risk_answer_is_valid_for_a_day"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Step",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                ("key", models.SlugField(verbose_name="key")),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[("assessment", "assessment"), ("treatment", "treatment"), ("follow_up", "follow-up")],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                (
                    "sessions",
                    models.PositiveSmallIntegerField(default=1, help_text="planned at first", verbose_name="sessions"),
                ),
                ("max_sessions", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="at most")),
                ("lead_role", models.SlugField(verbose_name="role of the practitioner")),
                (
                    "planned_with_course",
                    models.BooleanField(
                        default=True,
                        help_text="otherwise booked by itself when it is due",
                        verbose_name="planned with the course",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="scheduling.protocolversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "step",
                "verbose_name_plural": "steps",
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(fields=("version", "key"), name="step_key_is_used_once_in_a_version"),
                    models.UniqueConstraint(
                        deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                        fields=("version", "position"),
                        name="step_position_is_used_once_in_a_version",
                    ),
                    models.CheckConstraint(condition=models.Q(("sessions__gte", 1)), name="step_has_a_session"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("max_sessions", None), ("max_sessions__gte", models.F("sessions")), _connector="OR"
                        ),
                        name="step_allows_the_sessions_it_plans",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="FollowUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(verbose_name="key")),
                (
                    "kind",
                    models.CharField(
                        choices=[("message", "message"), ("call", "call")], max_length=10, verbose_name="kind"
                    ),
                ),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                ("after", models.CharField(max_length=60, verbose_name="after the session")),
                (
                    "tolerance_days",
                    models.PositiveSmallIntegerField(default=0, help_text="days", verbose_name="give or take"),
                ),
                ("last_session_only", models.BooleanField(default=False, verbose_name="after the last session only")),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="follow_ups",
                        to="scheduling.protocolversion",
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="follow_ups", to="scheduling.step"
                    ),
                ),
            ],
            options={
                "verbose_name": "follow-up",
                "verbose_name_plural": "follow-ups",
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("version", "key"), name="follow_up_key_is_used_once_in_a_version")
                ],
            },
        ),
        migrations.CreateModel(
            name="Phase",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                ("name", models.CharField(max_length=80, verbose_name="name")),
                ("minutes", models.PositiveSmallIntegerField(verbose_name="minutes")),
                (
                    "before_minutes",
                    models.PositiveSmallIntegerField(default=0, help_text="minutes", verbose_name="buffer before"),
                ),
                (
                    "after_minutes",
                    models.PositiveSmallIntegerField(default=0, help_text="minutes", verbose_name="buffer after"),
                ),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="phases", to="scheduling.step"
                    ),
                ),
            ],
            options={
                "verbose_name": "phase",
                "verbose_name_plural": "phases",
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(fields=("step", "position"), name="phase_position_is_used_once_in_a_step"),
                    models.CheckConstraint(condition=models.Q(("minutes__gte", 1)), name="phase_takes_time"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PhaseNeed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.SlugField(verbose_name="role")),
                (
                    "capability",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="scheduling.capability"
                    ),
                ),
                (
                    "phase",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="needs", to="scheduling.phase"
                    ),
                ),
            ],
            options={
                "verbose_name": "need",
                "verbose_name_plural": "needs",
                "ordering": ["id"],
                "constraints": [models.UniqueConstraint(fields=("phase", "role"), name="phase_asks_for_a_role_once")],
            },
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                ("step_key", models.SlugField(verbose_name="step")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("performed", "performed"),
                            ("skipped", "skipped"),
                            ("dropped", "dropped"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("state_reason", models.CharField(blank=True, max_length=300, verbose_name="reason")),
                ("counts", models.BooleanField(default=True, verbose_name="counts")),
                ("counts_reason", models.CharField(blank=True, max_length=200, verbose_name="why it does not count")),
                (
                    "late_action",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("book_anyway", "book anyway"),
                            ("shorten", "shorten"),
                            ("repeat_step", "repeat the step"),
                            ("restart", "restart"),
                            ("review", "medical review"),
                        ],
                        help_text="what a clinician decided for a session that comes late",
                        max_length=12,
                        verbose_name="coming late",
                    ),
                ),
                ("performed_at", models.DateTimeField(blank=True, null=True, verbose_name="performed at")),
                (
                    "performed_on",
                    models.DateField(
                        blank=True, help_text="local date of the site", null=True, verbose_name="performed"
                    ),
                ),
                (
                    "performed_minutes",
                    models.PositiveSmallIntegerField(blank=True, help_text="minutes", null=True, verbose_name="took"),
                ),
                ("floor_on", models.DateField(blank=True, editable=False, null=True, verbose_name="floor")),
                ("earliest_on", models.DateField(blank=True, editable=False, null=True, verbose_name="earliest")),
                ("target_on", models.DateField(blank=True, editable=False, null=True, verbose_name="target")),
                ("overdue_on", models.DateField(blank=True, editable=False, null=True, verbose_name="overdue")),
                ("lapse_on", models.DateField(blank=True, editable=False, null=True, verbose_name="lapse")),
                (
                    "window_is_provisional",
                    models.BooleanField(default=False, editable=False, verbose_name="provisional"),
                ),
                (
                    "course",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="sessions", to="scheduling.course"
                    ),
                ),
                (
                    "planned_areas",
                    models.ManyToManyField(
                        blank=True, related_name="+", to="patients.area", verbose_name="planned areas"
                    ),
                ),
                (
                    "treated_areas",
                    models.ManyToManyField(
                        blank=True, related_name="+", to="patients.area", verbose_name="treated areas"
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="scheduling.step"
                    ),
                ),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "ordering": ["course", "position"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "open")), fields=["overdue_on"], name="open_session_by_overdue_day"
                    ),
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["earliest_on"],
                        name="open_session_by_earliest_day",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                        fields=("course", "position"),
                        name="session_position_is_used_once_in_a_course",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("performed_on__isnull", False), ("state", "performed")),
                            models.Q(models.Q(("state", "performed"), _negated=True), ("performed_on", None)),
                            _connector="OR",
                        ),
                        name="session_has_a_performed_date_exactly_if_performed",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["skipped", "dropped"]), _negated=True),
                            models.Q(("state_reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="session_given_up_says_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("counts", True), models.Q(("counts_reason", ""), _negated=True), _connector="OR"
                        ),
                        name="session_not_counted_says_why",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_sessionevent" ("counts", "counts_reason", "course_id", "id", "late_action", "performed_at", "performed_minutes", "performed_on", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "state", "state_reason", "step_id", "step_key", "uid") VALUES (NEW."counts", NEW."counts_reason", NEW."course_id", NEW."id", NEW."late_action", NEW."performed_at", NEW."performed_minutes", NEW."performed_on", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."position", NEW."state", NEW."state_reason", NEW."step_id", NEW."step_key", NEW."uid"); RETURN NULL;',
                            hash="d812439dc8ac498649f13031a58df9894f16f5ac",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_d2ba6",
                            table="scheduling_session",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."counts" IS DISTINCT FROM (NEW."counts") OR OLD."counts_reason" IS DISTINCT FROM (NEW."counts_reason") OR OLD."course_id" IS DISTINCT FROM (NEW."course_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."late_action" IS DISTINCT FROM (NEW."late_action") OR OLD."performed_at" IS DISTINCT FROM (NEW."performed_at") OR OLD."performed_minutes" IS DISTINCT FROM (NEW."performed_minutes") OR OLD."performed_on" IS DISTINCT FROM (NEW."performed_on") OR OLD."position" IS DISTINCT FROM (NEW."position") OR OLD."state" IS DISTINCT FROM (NEW."state") OR OLD."state_reason" IS DISTINCT FROM (NEW."state_reason") OR OLD."step_id" IS DISTINCT FROM (NEW."step_id") OR OLD."step_key" IS DISTINCT FROM (NEW."step_key") OR OLD."uid" IS DISTINCT FROM (NEW."uid"))',
                            func='INSERT INTO "scheduling_sessionevent" ("counts", "counts_reason", "course_id", "id", "late_action", "performed_at", "performed_minutes", "performed_on", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "state", "state_reason", "step_id", "step_key", "uid") VALUES (NEW."counts", NEW."counts_reason", NEW."course_id", NEW."id", NEW."late_action", NEW."performed_at", NEW."performed_minutes", NEW."performed_on", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."position", NEW."state", NEW."state_reason", NEW."step_id", NEW."step_key", NEW."uid"); RETURN NULL;',
                            hash="bc4d3f9f9090b55440bdcf472deb1e1c0072dc65",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_2f1db",
                            table="scheduling_session",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Reservation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "purpose",
                    models.CharField(
                        choices=[("offer", "offer from the waiting list"), ("choosing", "patient is choosing")],
                        max_length=10,
                        verbose_name="for",
                    ),
                ),
                ("on", models.DateField(verbose_name="date")),
                ("at_time", models.TimeField(verbose_name="time")),
                ("fold", models.PositiveSmallIntegerField(default=0)),
                ("minutes", models.PositiveSmallIntegerField(help_text="minutes", verbose_name="length")),
                ("created_at", models.DateTimeField(verbose_name="made")),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("released_at", models.DateTimeField(blank=True, null=True, verbose_name="released")),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reservations",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "reservation",
                "verbose_name_plural": "reservations",
                "indexes": [
                    models.Index(
                        condition=models.Q(("released_at", None)),
                        fields=["expires_at"],
                        name="standing_reservation_by_expiry",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("released_at", None)),
                        fields=("session",),
                        name="session_has_one_standing_reservation",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("created_at"))),
                        name="reservation_expires_after_it_was_made",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Appointment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("booked", "booked"),
                            ("arrived", "arrived"),
                            ("performed", "performed"),
                            ("cancelled", "cancelled"),
                            ("missed", "missed"),
                        ],
                        default="booked",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("on", models.DateField(verbose_name="date")),
                ("at_time", models.TimeField(verbose_name="time")),
                ("fold", models.PositiveSmallIntegerField(default=0)),
                ("zone", models.CharField(max_length=64, verbose_name="time zone")),
                ("minutes", models.PositiveSmallIntegerField(help_text="minutes", verbose_name="length")),
                ("during", django.contrib.postgres.fields.ranges.DateTimeRangeField(verbose_name="span")),
                ("revision", models.PositiveIntegerField(default=1, editable=False)),
                ("calendar_uid", models.CharField(editable=False, max_length=120, unique=True)),
                ("calendar_sequence", models.PositiveIntegerField(default=0, editable=False)),
                ("booked_at", models.DateTimeField(verbose_name="booked")),
                ("arrived_at", models.DateTimeField(blank=True, null=True, verbose_name="arrived")),
                ("confirmed_at", models.DateTimeField(blank=True, null=True, verbose_name="confirmed by the patient")),
                ("cancelled_at", models.DateTimeField(blank=True, null=True, verbose_name="cancelled")),
                (
                    "cancel_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("patient_ill", "patient is ill"),
                            ("patient_busy", "patient cannot come"),
                            ("patient_changed_mind", "patient no longer wants it"),
                            ("clinic_staff", "practitioner not there"),
                            ("clinic_closed", "clinic closed"),
                            ("clinical", "clinical reason"),
                            ("replanned", "course replanned"),
                            ("course_ended", "course ended"),
                            ("error", "booked in error"),
                        ],
                        max_length=24,
                        verbose_name="why cancelled",
                    ),
                ),
                (
                    "cancel_asked_by",
                    models.CharField(
                        blank=True,
                        choices=[("patient", "the patient"), ("clinic", "the clinic")],
                        max_length=10,
                        verbose_name="asked by",
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                (
                    "booked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="appointments", to="patients.patient"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="appointments", to="clinic.site"
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="led_appointments",
                        to="scheduling.resource",
                        verbose_name="practitioner",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="appointments",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "appointment",
                "verbose_name_plural": "appointments",
                "ordering": ["on", "at_time", "id"],
                "indexes": [
                    models.Index(fields=["site", "on", "at_time"], name="appointment_by_site_and_day"),
                    models.Index(fields=["lead", "on"], name="appointment_by_lead_and_day"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["booked", "arrived"])),
                        fields=("session",),
                        name="session_has_one_live_appointment",
                    ),
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        condition=models.Q(("state__in", ["booked", "arrived"])),
                        deferrable=django.db.models.constraints.Deferrable["IMMEDIATE"],
                        expressions=[("patient", "="), ("during", "&&")],
                        name="patient_is_in_one_place_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("during__isempty", False),
                            ("during__lower_inc", True),
                            ("during__lower_inf", False),
                            ("during__upper_inc", False),
                            ("during__upper_inf", False),
                        ),
                        name="appointment_ends_after_it_starts",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.Func(models.F("during"), function="lower", output_field=models.DateTimeField()),
                                function="isfinite",
                                output_field=models.BooleanField(),
                            ),
                            models.Func(
                                models.Func(models.F("during"), function="upper", output_field=models.DateTimeField()),
                                function="isfinite",
                                output_field=models.BooleanField(),
                            ),
                        ),
                        name="appointment_ends_some_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("fold__lte", 1)), name="appointment_fold_is_first_or_second_pass"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("cancelled_at__isnull", False),
                                ("state", "cancelled"),
                                models.Q(("cancel_reason", ""), _negated=True),
                                models.Q(("cancel_asked_by", ""), _negated=True),
                            ),
                            models.Q(
                                models.Q(("state", "cancelled"), _negated=True),
                                ("cancel_asked_by", ""),
                                ("cancel_reason", ""),
                                ("cancelled_at", None),
                            ),
                            _connector="OR",
                        ),
                        name="appointment_says_why_exactly_if_cancelled",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_appointmentevent" ("arrived_at", "at_time", "booked_at", "booked_by_id", "calendar_sequence", "calendar_uid", "cancel_asked_by", "cancel_reason", "cancelled_at", "confirmed_at", "during", "fold", "id", "lead_id", "minutes", "on", "patient_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "revision", "session_id", "site_id", "state", "uid", "zone") VALUES (NEW."arrived_at", NEW."at_time", NEW."booked_at", NEW."booked_by_id", NEW."calendar_sequence", NEW."calendar_uid", NEW."cancel_asked_by", NEW."cancel_reason", NEW."cancelled_at", NEW."confirmed_at", NEW."during", NEW."fold", NEW."id", NEW."lead_id", NEW."minutes", NEW."on", NEW."patient_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."revision", NEW."session_id", NEW."site_id", NEW."state", NEW."uid", NEW."zone"); RETURN NULL;',
                            hash="04b6e2a858c4fa3d5f0d4009c25c6a42a98050d1",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_cdcf2",
                            table="scheduling_appointment",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."arrived_at" IS DISTINCT FROM (NEW."arrived_at") OR OLD."at_time" IS DISTINCT FROM (NEW."at_time") OR OLD."booked_at" IS DISTINCT FROM (NEW."booked_at") OR OLD."booked_by_id" IS DISTINCT FROM (NEW."booked_by_id") OR OLD."calendar_sequence" IS DISTINCT FROM (NEW."calendar_sequence") OR OLD."calendar_uid" IS DISTINCT FROM (NEW."calendar_uid") OR OLD."cancel_asked_by" IS DISTINCT FROM (NEW."cancel_asked_by") OR OLD."cancel_reason" IS DISTINCT FROM (NEW."cancel_reason") OR OLD."cancelled_at" IS DISTINCT FROM (NEW."cancelled_at") OR OLD."confirmed_at" IS DISTINCT FROM (NEW."confirmed_at") OR OLD."during" IS DISTINCT FROM (NEW."during") OR OLD."fold" IS DISTINCT FROM (NEW."fold") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."lead_id" IS DISTINCT FROM (NEW."lead_id") OR OLD."minutes" IS DISTINCT FROM (NEW."minutes") OR OLD."on" IS DISTINCT FROM (NEW."on") OR OLD."patient_id" IS DISTINCT FROM (NEW."patient_id") OR OLD."revision" IS DISTINCT FROM (NEW."revision") OR OLD."session_id" IS DISTINCT FROM (NEW."session_id") OR OLD."site_id" IS DISTINCT FROM (NEW."site_id") OR OLD."state" IS DISTINCT FROM (NEW."state") OR OLD."uid" IS DISTINCT FROM (NEW."uid") OR OLD."zone" IS DISTINCT FROM (NEW."zone"))',
                            func='INSERT INTO "scheduling_appointmentevent" ("arrived_at", "at_time", "booked_at", "booked_by_id", "calendar_sequence", "calendar_uid", "cancel_asked_by", "cancel_reason", "cancelled_at", "confirmed_at", "during", "fold", "id", "lead_id", "minutes", "on", "patient_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "revision", "session_id", "site_id", "state", "uid", "zone") VALUES (NEW."arrived_at", NEW."at_time", NEW."booked_at", NEW."booked_by_id", NEW."calendar_sequence", NEW."calendar_uid", NEW."cancel_asked_by", NEW."cancel_reason", NEW."cancelled_at", NEW."confirmed_at", NEW."during", NEW."fold", NEW."id", NEW."lead_id", NEW."minutes", NEW."on", NEW."patient_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."revision", NEW."session_id", NEW."site_id", NEW."state", NEW."uid", NEW."zone"); RETURN NULL;',
                            hash="e72263c6f3b35cda9b7ce0ce782e6dfe5bdd8a8d",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_7193b",
                            table="scheduling_appointment",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Assessment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("assessed_on", models.DateField(verbose_name="assessed")),
                ("is_suitable", models.BooleanField(verbose_name="suitable for the treatment")),
                (
                    "reflux",
                    models.CharField(
                        choices=[
                            ("none_found", "none found"),
                            ("treated", "found and treated"),
                            ("untreated", "found, not treated"),
                            ("not_checked", "not checked"),
                        ],
                        default="not_checked",
                        max_length=12,
                        verbose_name="reflux",
                    ),
                ),
                ("reflux_treated_on", models.DateField(blank=True, null=True, verbose_name="reflux treated")),
                (
                    "reflux_clear_on",
                    models.DateField(
                        blank=True,
                        help_text="the prescriber's decision for this patient",
                        null=True,
                        verbose_name="sessions may follow from",
                    ),
                ),
                (
                    "expires_on",
                    models.DateField(
                        blank=True, help_text="first day it no longer counts", null=True, verbose_name="expires"
                    ),
                ),
                ("risks_explained", models.BooleanField(default=False, verbose_name="risks explained")),
                ("expectations_discussed", models.BooleanField(default=False, verbose_name="expectations discussed")),
                ("notes", models.TextField(blank=True, verbose_name="notes")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("error_at", models.DateTimeField(blank=True, null=True, verbose_name="recorded in error")),
                ("error_reason", models.CharField(blank=True, max_length=300, verbose_name="reason")),
                (
                    "assessed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "error_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="assessments", to="patients.patient"
                    ),
                ),
                (
                    "protocol",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="scheduling.protocol"
                    ),
                ),
                (
                    "session",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="assessment",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "assessment",
                "verbose_name_plural": "assessments",
                "ordering": ["-assessed_on", "-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reflux", "treated"), _negated=True),
                            ("reflux_treated_on__isnull", False),
                            _connector="OR",
                        ),
                        name="treated_reflux_has_a_date",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("error_at", None), models.Q(("error_reason", ""), _negated=True), _connector="OR"
                        ),
                        name="assessment_in_error_says_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("expires_on", None), ("expires_on__gt", models.F("assessed_on")), _connector="OR"
                        ),
                        name="assessment_expires_after_it_was_made",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_assessmentevent" ("assessed_by_id", "assessed_on", "error_at", "error_by_id", "error_reason", "expectations_discussed", "expires_on", "id", "is_suitable", "patient_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "protocol_id", "recorded_at", "reflux", "reflux_clear_on", "reflux_treated_on", "risks_explained", "session_id", "uid") VALUES (NEW."assessed_by_id", NEW."assessed_on", NEW."error_at", NEW."error_by_id", NEW."error_reason", NEW."expectations_discussed", NEW."expires_on", NEW."id", NEW."is_suitable", NEW."patient_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."protocol_id", NEW."recorded_at", NEW."reflux", NEW."reflux_clear_on", NEW."reflux_treated_on", NEW."risks_explained", NEW."session_id", NEW."uid"); RETURN NULL;',
                            hash="b45e2591116167530a38be308295e5703b660af6",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_a73c7",
                            table="scheduling_assessment",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."assessed_by_id" IS DISTINCT FROM (NEW."assessed_by_id") OR OLD."assessed_on" IS DISTINCT FROM (NEW."assessed_on") OR OLD."error_at" IS DISTINCT FROM (NEW."error_at") OR OLD."error_by_id" IS DISTINCT FROM (NEW."error_by_id") OR OLD."error_reason" IS DISTINCT FROM (NEW."error_reason") OR OLD."expectations_discussed" IS DISTINCT FROM (NEW."expectations_discussed") OR OLD."expires_on" IS DISTINCT FROM (NEW."expires_on") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_suitable" IS DISTINCT FROM (NEW."is_suitable") OR OLD."patient_id" IS DISTINCT FROM (NEW."patient_id") OR OLD."protocol_id" IS DISTINCT FROM (NEW."protocol_id") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at") OR OLD."reflux" IS DISTINCT FROM (NEW."reflux") OR OLD."reflux_clear_on" IS DISTINCT FROM (NEW."reflux_clear_on") OR OLD."reflux_treated_on" IS DISTINCT FROM (NEW."reflux_treated_on") OR OLD."risks_explained" IS DISTINCT FROM (NEW."risks_explained") OR OLD."session_id" IS DISTINCT FROM (NEW."session_id") OR OLD."uid" IS DISTINCT FROM (NEW."uid"))',
                            func='INSERT INTO "scheduling_assessmentevent" ("assessed_by_id", "assessed_on", "error_at", "error_by_id", "error_reason", "expectations_discussed", "expires_on", "id", "is_suitable", "patient_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "protocol_id", "recorded_at", "reflux", "reflux_clear_on", "reflux_treated_on", "risks_explained", "session_id", "uid") VALUES (NEW."assessed_by_id", NEW."assessed_on", NEW."error_at", NEW."error_by_id", NEW."error_reason", NEW."expectations_discussed", NEW."expires_on", NEW."id", NEW."is_suitable", NEW."patient_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."protocol_id", NEW."recorded_at", NEW."reflux", NEW."reflux_clear_on", NEW."reflux_treated_on", NEW."risks_explained", NEW."session_id", NEW."uid"); RETURN NULL;',
                            hash="4e157528dfe99ad39ab32e12488ae2d0dc61c510",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_9ed8a",
                            table="scheduling_assessment",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("informed_on", models.DateField(verbose_name="informed")),
                ("signed_on", models.DateField(blank=True, null=True, verbose_name="signed")),
                (
                    "expires_on",
                    models.DateField(
                        blank=True, help_text="first day it no longer counts", null=True, verbose_name="expires"
                    ),
                ),
                ("withdrawn_on", models.DateField(blank=True, null=True, verbose_name="withdrawn")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "given_by_guardian",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="patients.guardian",
                        verbose_name="given by",
                    ),
                ),
                (
                    "sought_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "text",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="scheduling.consenttext"
                    ),
                ),
                (
                    "course",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="consents", to="scheduling.course"
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        blank=True,
                        help_text="blank: the whole course",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="consents",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "consent",
                "verbose_name_plural": "consents",
                "ordering": ["-informed_on", "-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("signed_on", None), ("signed_on__gte", models.F("informed_on")), _connector="OR"
                        ),
                        name="consent_is_signed_after_information",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("withdrawn_on", None), ("withdrawn_on__gte", models.F("informed_on")), _connector="OR"
                        ),
                        name="consent_is_withdrawn_after_it_began",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_consentevent" ("course_id", "expires_on", "given_by_guardian_id", "id", "informed_on", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "recorded_at", "session_id", "signed_on", "sought_by_id", "text_id", "uid", "withdrawn_on") VALUES (NEW."course_id", NEW."expires_on", NEW."given_by_guardian_id", NEW."id", NEW."informed_on", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."recorded_at", NEW."session_id", NEW."signed_on", NEW."sought_by_id", NEW."text_id", NEW."uid", NEW."withdrawn_on"); RETURN NULL;',
                            hash="8f348bce73b749a2aae530efa5e4a0163ffd9a0d",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_80f1c",
                            table="scheduling_consent",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_consentevent" ("course_id", "expires_on", "given_by_guardian_id", "id", "informed_on", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "recorded_at", "session_id", "signed_on", "sought_by_id", "text_id", "uid", "withdrawn_on") VALUES (NEW."course_id", NEW."expires_on", NEW."given_by_guardian_id", NEW."id", NEW."informed_on", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."recorded_at", NEW."session_id", NEW."signed_on", NEW."sought_by_id", NEW."text_id", NEW."uid", NEW."withdrawn_on"); RETURN NULL;',
                            hash="266969bd0285d144c5ea4bf5ba735f0384d7cace",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_36fa8",
                            table="scheduling_consent",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="FollowUpTask",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("due_on", models.DateField(verbose_name="due")),
                ("until_on", models.DateField(verbose_name="at the latest")),
                ("done_at", models.DateTimeField(blank=True, null=True, verbose_name="done")),
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                ("cancelled_at", models.DateTimeField(blank=True, null=True, verbose_name="not needed")),
                (
                    "done_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "follow_up",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="scheduling.followup"
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="follow_up_tasks",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "follow-up task",
                "verbose_name_plural": "follow-up tasks",
                "ordering": ["due_on"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("session", "follow_up"), name="follow_up_is_due_once_after_a_session"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until_on__gte", models.F("due_on"))),
                        name="follow_up_task_ends_after_it_is_due",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_followuptaskevent" ("cancelled_at", "done_at", "done_by_id", "due_on", "follow_up_id", "id", "note", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "session_id", "uid", "until_on") VALUES (NEW."cancelled_at", NEW."done_at", NEW."done_by_id", NEW."due_on", NEW."follow_up_id", NEW."id", NEW."note", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."session_id", NEW."uid", NEW."until_on"); RETURN NULL;',
                            hash="1ec5363689256edac99f83487181f50e3ae2d909",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_d7c8e",
                            table="scheduling_followuptask",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_followuptaskevent" ("cancelled_at", "done_at", "done_by_id", "due_on", "follow_up_id", "id", "note", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "session_id", "uid", "until_on") VALUES (NEW."cancelled_at", NEW."done_at", NEW."done_by_id", NEW."due_on", NEW."follow_up_id", NEW."id", NEW."note", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."session_id", NEW."uid", NEW."until_on"); RETURN NULL;',
                            hash="fa412dbcd8bbe070593b81f7457638ec19a7955c",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_38fad",
                            table="scheduling_followuptask",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LinkToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("view", "see the visit"),
                            ("confirm", "confirm"),
                            ("move", "ask for another time"),
                            ("unsubscribe", "no more reminders"),
                        ],
                        max_length=12,
                        verbose_name="purpose",
                    ),
                ),
                (
                    "revision",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="revision of the appointment"),
                ),
                ("token_sha256", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField(verbose_name="made")),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("used_at", models.DateTimeField(blank=True, null=True, verbose_name="used")),
                ("revoked_at", models.DateTimeField(blank=True, null=True, verbose_name="revoked")),
                (
                    "appointment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "course",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links",
                        to="scheduling.course",
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="links", to="patients.patient"
                    ),
                ),
            ],
            options={
                "verbose_name": "link",
                "verbose_name_plural": "links",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("created_at"))),
                        name="link_expires_after_it_was_made",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("appointment", None), ("revision", None)),
                            models.Q(("appointment__isnull", False), ("revision__isnull", False)),
                            _connector="OR",
                        ),
                        name="link_to_an_appointment_names_its_revision",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("confirmation", "confirmation"),
                            ("preparation", "preparation"),
                            ("reminder", "reminder"),
                            ("changed", "changed"),
                            ("cancelled", "cancelled"),
                            ("call_us", "please call us"),
                            ("aftercare", "aftercare"),
                            ("check", "is everything fine?"),
                            ("recall", "recall"),
                            ("overdue", "overdue"),
                            ("offer", "offer"),
                            ("finished", "course finished"),
                        ],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                ("dedupe_key", models.CharField(editable=False, max_length=200, unique=True)),
                ("days", models.SmallIntegerField(default=0, verbose_name="days before the visit")),
                ("promised_at", models.DateTimeField(verbose_name="promised")),
                ("due_at", models.DateTimeField(verbose_name="due")),
                ("expires_at", models.DateTimeField(verbose_name="not after")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("sending", "being sent"),
                            ("sent", "sent"),
                            ("dropped", "dropped"),
                            ("failed", "failed"),
                            ("bounced", "bounced"),
                            ("parked", "parked"),
                        ],
                        default="pending",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("state_reason", models.CharField(blank=True, max_length=80, verbose_name="why")),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("next_try_at", models.DateTimeField(blank=True, null=True, verbose_name="next try")),
                ("lease_owner", models.UUIDField(editable=False, null=True)),
                ("lease_until", models.DateTimeField(editable=False, null=True)),
                (
                    "dotted_at",
                    models.DateTimeField(
                        editable=False,
                        help_text="the final dot was about to be sent: from here on, a repeat is possible",
                        null=True,
                    ),
                ),
                ("last_reply", models.CharField(blank=True, max_length=300, verbose_name="last reply")),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent")),
                ("recipient", models.CharField(blank=True, max_length=254, verbose_name="to")),
                ("language", models.CharField(blank=True, max_length=10)),
                ("message_id", models.CharField(editable=False, max_length=200, null=True, unique=True)),
                ("dated_at", models.DateTimeField(editable=False, null=True)),
                ("content", models.BinaryField(null=True)),
                ("purged_at", models.DateTimeField(editable=False, null=True)),
                (
                    "course",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="scheduling.course",
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="messages", to="patients.patient"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="clinic.site"),
                ),
                (
                    "session",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "message",
                "verbose_name_plural": "messages",
                "ordering": ["-due_at", "-id"],
                "indexes": [
                    models.Index(
                        django.db.models.functions.comparison.Coalesce("next_try_at", "due_at"),
                        models.F("id"),
                        condition=models.Q(("state__in", ["pending", "sending"])),
                        name="unsent_message_by_due_time",
                    ),
                    models.Index(fields=["course", "kind"], name="message_by_course_and_kind"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("due_at"))),
                        name="message_expires_after_it_is_due",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sent_at__isnull", False), ("state", "sent")),
                            models.Q(("state", "sent"), _negated=True),
                            _connector="OR",
                        ),
                        name="message_sent_says_when",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("lease_owner__isnull", False), ("lease_until__isnull", False), ("state", "sending")
                            ),
                            models.Q(("state", "sending"), _negated=True),
                            _connector="OR",
                        ),
                        name="message_being_sent_has_a_lease",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["dropped", "failed"]), _negated=True),
                            models.Q(("state_reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="message_given_up_says_why",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="MessageVisit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.PositiveIntegerField()),
                ("before", models.JSONField(blank=True, default=dict)),
                (
                    "appointment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="message_visits",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="visits", to="scheduling.message"
                    ),
                ),
            ],
            options={
                "verbose_name": "visit of a message",
                "verbose_name_plural": "visits of messages",
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("message", "appointment"), name="message_speaks_of_a_visit_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Outcome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("ok", "all right"),
                            ("review", "review before the next session"),
                            ("stop", "stop the course"),
                        ],
                        max_length=6,
                        verbose_name="result",
                    ),
                ),
                ("product", models.CharField(blank=True, max_length=120, verbose_name="product")),
                ("batch", models.CharField(blank=True, max_length=60, verbose_name="batch")),
                (
                    "amount",
                    models.DecimalField(blank=True, decimal_places=3, max_digits=8, null=True, verbose_name="amount"),
                ),
                (
                    "amount_unit",
                    models.CharField(blank=True, help_text="UCUM, such as mL", max_length=12, verbose_name="unit"),
                ),
                ("notes", models.TextField(blank=True, verbose_name="notes")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("cleared_at", models.DateTimeField(blank=True, null=True, verbose_name="review cleared")),
                ("cleared_note", models.CharField(blank=True, max_length=300, verbose_name="clinician's note")),
                (
                    "cleared_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "session",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="outcome", to="scheduling.session"
                    ),
                ),
            ],
            options={
                "verbose_name": "outcome",
                "verbose_name_plural": "outcomes",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount", None),
                            models.Q(("amount__gte", 0), models.Q(("amount_unit", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="outcome_amount_has_a_unit",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("cleared_at", None),
                            models.Q(("cleared_by__isnull", False), ("result", "review")),
                            _connector="OR",
                        ),
                        name="only_a_review_is_cleared_and_by_someone",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_outcomeevent" ("amount", "amount_unit", "batch", "cleared_at", "cleared_by_id", "cleared_note", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product", "recorded_at", "recorded_by_id", "result", "session_id") VALUES (NEW."amount", NEW."amount_unit", NEW."batch", NEW."cleared_at", NEW."cleared_by_id", NEW."cleared_note", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."product", NEW."recorded_at", NEW."recorded_by_id", NEW."result", NEW."session_id"); RETURN NULL;',
                            hash="8658bc13d7f0a3a10df593e1554a9d5fa8fb23d7",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_3d6f6",
                            table="scheduling_outcome",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."amount_unit" IS DISTINCT FROM (NEW."amount_unit") OR OLD."batch" IS DISTINCT FROM (NEW."batch") OR OLD."cleared_at" IS DISTINCT FROM (NEW."cleared_at") OR OLD."cleared_by_id" IS DISTINCT FROM (NEW."cleared_by_id") OR OLD."cleared_note" IS DISTINCT FROM (NEW."cleared_note") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."product" IS DISTINCT FROM (NEW."product") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at") OR OLD."recorded_by_id" IS DISTINCT FROM (NEW."recorded_by_id") OR OLD."result" IS DISTINCT FROM (NEW."result") OR OLD."session_id" IS DISTINCT FROM (NEW."session_id"))',
                            func='INSERT INTO "scheduling_outcomeevent" ("amount", "amount_unit", "batch", "cleared_at", "cleared_by_id", "cleared_note", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product", "recorded_at", "recorded_by_id", "result", "session_id") VALUES (NEW."amount", NEW."amount_unit", NEW."batch", NEW."cleared_at", NEW."cleared_by_id", NEW."cleared_note", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."product", NEW."recorded_at", NEW."recorded_by_id", NEW."result", NEW."session_id"); RETURN NULL;',
                            hash="597ff310c5b3c032b50d1df141affa45c77b37d6",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_1924b",
                            table="scheduling_outcome",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutcomeComplication",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                (
                    "complication",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="patients.complication"
                    ),
                ),
                (
                    "outcome",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="seen", to="scheduling.outcome"
                    ),
                ),
            ],
            options={
                "verbose_name": "complication seen",
                "verbose_name_plural": "complications seen",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("outcome", "complication"), name="complication_is_noted_once_in_an_outcome"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Override",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("rule", models.SlugField(verbose_name="rule")),
                ("subject", models.CharField(blank=True, max_length=80, verbose_name="about")),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                ("expires_on", models.DateField(help_text="last day", verbose_name="until")),
                ("given_at", models.DateTimeField(verbose_name="given")),
                ("revoked_at", models.DateTimeField(blank=True, null=True, verbose_name="revoked")),
                ("revoke_reason", models.CharField(blank=True, max_length=300, verbose_name="why it was revoked")),
                (
                    "course",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="overrides", to="scheduling.course"
                    ),
                ),
                (
                    "given_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "revoked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        blank=True,
                        help_text="blank: the whole course",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="overrides",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "override",
                "verbose_name_plural": "overrides",
                "ordering": ["-given_at"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="override_says_why"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("revoked_at", None), models.Q(("revoke_reason", ""), _negated=True), _connector="OR"
                        ),
                        name="override_revoked_says_why",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_overrideevent" ("course_id", "expires_on", "given_at", "given_by_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "revoke_reason", "revoked_at", "revoked_by_id", "rule", "session_id", "subject", "uid") VALUES (NEW."course_id", NEW."expires_on", NEW."given_at", NEW."given_by_id", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."reason", NEW."revoke_reason", NEW."revoked_at", NEW."revoked_by_id", NEW."rule", NEW."session_id", NEW."subject", NEW."uid"); RETURN NULL;',
                            hash="f5fb048b0ca933a230685c39ed1381a0f3ace61a",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_34f63",
                            table="scheduling_override",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_overrideevent" ("course_id", "expires_on", "given_at", "given_by_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "revoke_reason", "revoked_at", "revoked_by_id", "rule", "session_id", "subject", "uid") VALUES (NEW."course_id", NEW."expires_on", NEW."given_at", NEW."given_by_id", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."reason", NEW."revoke_reason", NEW."revoked_at", NEW."revoked_by_id", NEW."rule", NEW."session_id", NEW."subject", NEW."uid"); RETURN NULL;',
                            hash="baec8cef56d7a70bacb4b8e40cea7a6a45c56061",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_da562",
                            table="scheduling_override",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Occupancy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("phase", models.PositiveSmallIntegerField(verbose_name="phase")),
                ("role", models.SlugField(verbose_name="role")),
                ("place", models.PositiveSmallIntegerField(default=1, verbose_name="place")),
                ("during", django.contrib.postgres.fields.ranges.DateTimeRangeField(verbose_name="span")),
                ("released_at", models.DateTimeField(blank=True, null=True, verbose_name="released")),
                (
                    "appointment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="occupancies",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "reservation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="occupancies",
                        to="scheduling.reservation",
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="occupancies",
                        to="scheduling.resource",
                    ),
                ),
            ],
            options={
                "verbose_name": "occupancy",
                "verbose_name_plural": "occupancies",
                "indexes": [
                    models.Index(
                        condition=models.Q(("released_at", None)),
                        fields=["appointment"],
                        name="standing_occupancy_by_visit",
                    )
                ],
                "constraints": [
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        condition=models.Q(("released_at", None)),
                        deferrable=django.db.models.constraints.Deferrable["IMMEDIATE"],
                        expressions=[("resource", "="), ("place", "="), ("during", "&&")],
                        name="resource_place_is_taken_once_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("during__isempty", False),
                            ("during__lower_inc", True),
                            ("during__lower_inf", False),
                            ("during__upper_inc", False),
                            ("during__upper_inf", False),
                        ),
                        name="occupancy_ends_after_it_starts",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Func(
                                models.Func(models.F("during"), function="lower", output_field=models.DateTimeField()),
                                function="isfinite",
                                output_field=models.BooleanField(),
                            ),
                            models.Func(
                                models.Func(models.F("during"), function="upper", output_field=models.DateTimeField()),
                                function="isfinite",
                                output_field=models.BooleanField(),
                            ),
                        ),
                        name="occupancy_ends_some_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("place__gte", 1)), name="occupancy_place_is_numbered_from_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("appointment", None), ("reservation__isnull", False)),
                            models.Q(("appointment__isnull", False), ("reservation", None)),
                            _connector="OR",
                        ),
                        name="occupancy_belongs_to_an_appointment_or_a_reservation",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BusyPeriod",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.PositiveSmallIntegerField(verbose_name="place")),
                ("period", models.IntegerField(verbose_name="period")),
                ("minutes", models.BinaryField(verbose_name="minutes")),
                (
                    "resource",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="busy_periods",
                        to="scheduling.resource",
                    ),
                ),
            ],
            options={
                "verbose_name": "busy period",
                "verbose_name_plural": "busy periods",
                "constraints": [
                    models.UniqueConstraint(fields=("resource", "period", "place"), name="place_has_a_period_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="OverrideEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("rule", models.SlugField(db_index=False, verbose_name="rule")),
                ("subject", models.CharField(blank=True, max_length=80, verbose_name="about")),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                ("expires_on", models.DateField(help_text="last day", verbose_name="until")),
                ("given_at", models.DateTimeField(verbose_name="given")),
                ("revoked_at", models.DateTimeField(blank=True, null=True, verbose_name="revoked")),
                ("revoke_reason", models.CharField(blank=True, max_length=300, verbose_name="why it was revoked")),
                (
                    "course",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.course",
                    ),
                ),
                (
                    "given_by",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.override",
                    ),
                ),
                (
                    "revoked_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="blank: the whole course",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="25347d020479e728c32b706558b6c9c2aa1893c7",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_9469c",
                            table="scheduling_overrideevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OutcomeEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("ok", "all right"),
                            ("review", "review before the next session"),
                            ("stop", "stop the course"),
                        ],
                        max_length=6,
                        verbose_name="result",
                    ),
                ),
                ("product", models.CharField(blank=True, max_length=120, verbose_name="product")),
                ("batch", models.CharField(blank=True, max_length=60, verbose_name="batch")),
                (
                    "amount",
                    models.DecimalField(blank=True, decimal_places=3, max_digits=8, null=True, verbose_name="amount"),
                ),
                (
                    "amount_unit",
                    models.CharField(blank=True, help_text="UCUM, such as mL", max_length=12, verbose_name="unit"),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("cleared_at", models.DateTimeField(blank=True, null=True, verbose_name="review cleared")),
                ("cleared_note", models.CharField(blank=True, max_length=300, verbose_name="clinician's note")),
                (
                    "cleared_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.outcome",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="46ae09d5951b9c509e7f04fdb297d8f4f0740173",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_7cce1",
                            table="scheduling_outcomeevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Move",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("appointment_revision", models.PositiveIntegerField(null=True)),
                ("from_slot", models.JSONField(null=True, verbose_name="from")),
                ("to_slot", models.JSONField(null=True, verbose_name="to")),
                ("why", models.JSONField(default=list, verbose_name="why")),
                ("cost", models.PositiveIntegerField(default=0, verbose_name="cost")),
                ("applied_at", models.DateTimeField(blank=True, null=True, verbose_name="applied")),
                (
                    "appointment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="moves",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="moves", to="scheduling.proposal"
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="moves", to="scheduling.session"
                    ),
                ),
            ],
            options={
                "verbose_name": "move",
                "verbose_name_plural": "moves",
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("proposal", "session"), name="proposal_moves_a_session_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="FollowUpTaskEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("due_on", models.DateField(verbose_name="due")),
                ("until_on", models.DateField(verbose_name="at the latest")),
                ("done_at", models.DateTimeField(blank=True, null=True, verbose_name="done")),
                ("note", models.CharField(blank=True, max_length=300, verbose_name="note")),
                ("cancelled_at", models.DateTimeField(blank=True, null=True, verbose_name="not needed")),
                (
                    "done_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "follow_up",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.followup",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.followuptask",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="4019823944bdb70d20be5a91087edd106c610c6f",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_02d19",
                            table="scheduling_followuptaskevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ConsentEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("informed_on", models.DateField(verbose_name="informed")),
                ("signed_on", models.DateField(blank=True, null=True, verbose_name="signed")),
                (
                    "expires_on",
                    models.DateField(
                        blank=True, help_text="first day it no longer counts", null=True, verbose_name="expires"
                    ),
                ),
                ("withdrawn_on", models.DateField(blank=True, null=True, verbose_name="withdrawn")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                (
                    "given_by_guardian",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="patients.guardian",
                        verbose_name="given by",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.consent",
                    ),
                ),
                (
                    "sought_by",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "text",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.consenttext",
                    ),
                ),
                (
                    "course",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.course",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        help_text="blank: the whole course",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="25124f0f46827aca0aca6381293303dc15df40f3",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_a02c1",
                            table="scheduling_consentevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AssessmentEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("assessed_on", models.DateField(verbose_name="assessed")),
                ("is_suitable", models.BooleanField(verbose_name="suitable for the treatment")),
                (
                    "reflux",
                    models.CharField(
                        choices=[
                            ("none_found", "none found"),
                            ("treated", "found and treated"),
                            ("untreated", "found, not treated"),
                            ("not_checked", "not checked"),
                        ],
                        default="not_checked",
                        max_length=12,
                        verbose_name="reflux",
                    ),
                ),
                ("reflux_treated_on", models.DateField(blank=True, null=True, verbose_name="reflux treated")),
                (
                    "reflux_clear_on",
                    models.DateField(
                        blank=True,
                        help_text="the prescriber's decision for this patient",
                        null=True,
                        verbose_name="sessions may follow from",
                    ),
                ),
                (
                    "expires_on",
                    models.DateField(
                        blank=True, help_text="first day it no longer counts", null=True, verbose_name="expires"
                    ),
                ),
                ("risks_explained", models.BooleanField(default=False, verbose_name="risks explained")),
                ("expectations_discussed", models.BooleanField(default=False, verbose_name="expectations discussed")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("error_at", models.DateTimeField(blank=True, null=True, verbose_name="recorded in error")),
                ("error_reason", models.CharField(blank=True, max_length=300, verbose_name="reason")),
                (
                    "assessed_by",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "error_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="patients.patient",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.assessment",
                    ),
                ),
                (
                    "protocol",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.protocol",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="7ae312b16f37bcd36b820a5770eecb3e7b346bea",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_fbb5c",
                            table="scheduling_assessmentevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AppointmentEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("booked", "booked"),
                            ("arrived", "arrived"),
                            ("performed", "performed"),
                            ("cancelled", "cancelled"),
                            ("missed", "missed"),
                        ],
                        default="booked",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("on", models.DateField(verbose_name="date")),
                ("at_time", models.TimeField(verbose_name="time")),
                ("fold", models.PositiveSmallIntegerField(default=0)),
                ("zone", models.CharField(max_length=64, verbose_name="time zone")),
                ("minutes", models.PositiveSmallIntegerField(help_text="minutes", verbose_name="length")),
                ("during", django.contrib.postgres.fields.ranges.DateTimeRangeField(verbose_name="span")),
                ("revision", models.PositiveIntegerField(default=1, editable=False)),
                ("calendar_uid", models.CharField(editable=False, max_length=120)),
                ("calendar_sequence", models.PositiveIntegerField(default=0, editable=False)),
                ("booked_at", models.DateTimeField(verbose_name="booked")),
                ("arrived_at", models.DateTimeField(blank=True, null=True, verbose_name="arrived")),
                ("confirmed_at", models.DateTimeField(blank=True, null=True, verbose_name="confirmed by the patient")),
                ("cancelled_at", models.DateTimeField(blank=True, null=True, verbose_name="cancelled")),
                (
                    "cancel_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("patient_ill", "patient is ill"),
                            ("patient_busy", "patient cannot come"),
                            ("patient_changed_mind", "patient no longer wants it"),
                            ("clinic_staff", "practitioner not there"),
                            ("clinic_closed", "clinic closed"),
                            ("clinical", "clinical reason"),
                            ("replanned", "course replanned"),
                            ("course_ended", "course ended"),
                            ("error", "booked in error"),
                        ],
                        max_length=24,
                        verbose_name="why cancelled",
                    ),
                ),
                (
                    "cancel_asked_by",
                    models.CharField(
                        blank=True,
                        choices=[("patient", "the patient"), ("clinic", "the clinic")],
                        max_length=10,
                        verbose_name="asked by",
                    ),
                ),
                (
                    "booked_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="patients.patient",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="clinic.site",
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.resource",
                        verbose_name="practitioner",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="ef979a043ec8601caf85155ca4b0218ea789364d",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_dfe96",
                            table="scheduling_appointmentevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SessionUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.SlugField(verbose_name="role")),
                (
                    "resource",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="scheduling.resource"
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="uses", to="scheduling.session"
                    ),
                ),
            ],
            options={
                "verbose_name": "resource of a session",
                "verbose_name_plural": "resources of sessions",
                "constraints": [
                    models.UniqueConstraint(fields=("session", "role"), name="session_has_one_resource_in_a_role")
                ],
            },
        ),
        migrations.CreateModel(
            name="Spacing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "reference",
                    models.CharField(
                        choices=[
                            ("previous", "the session before"),
                            ("step", "a named step"),
                            ("event", "a named event"),
                            ("last_of_kind", "the last session of a kind"),
                        ],
                        max_length=12,
                        verbose_name="counted from",
                    ),
                ),
                ("reference_key", models.SlugField(blank=True, verbose_name="which")),
                ("floor", models.CharField(blank=True, max_length=60, verbose_name="floor")),
                ("minimum", models.CharField(blank=True, max_length=60, verbose_name="minimum")),
                ("target", models.CharField(blank=True, max_length=60, verbose_name="target")),
                (
                    "tolerance_days",
                    models.PositiveSmallIntegerField(default=0, help_text="days", verbose_name="tolerance"),
                ),
                ("overdue", models.CharField(blank=True, max_length=60, verbose_name="overdue")),
                ("lapse", models.CharField(blank=True, max_length=60, verbose_name="lapse")),
                ("effective_from", models.DateField(blank=True, null=True, verbose_name="effective from")),
                ("effective_to", models.DateField(blank=True, null=True, verbose_name="effective to")),
                (
                    "areas",
                    models.ManyToManyField(
                        blank=True, related_name="+", to="patients.area", verbose_name="only for areas"
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="spacings", to="scheduling.step"
                    ),
                ),
            ],
            options={
                "verbose_name": "spacing",
                "verbose_name_plural": "spacings",
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reference", "previous"), ("reference_key", "")),
                            models.Q(
                                models.Q(("reference", "previous"), _negated=True),
                                models.Q(("reference_key", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="spacing_names_its_reference",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LateBand",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_amount", models.CharField(max_length=60, verbose_name="from")),
                ("until_amount", models.CharField(blank=True, max_length=60, verbose_name="until")),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("book_anyway", "book anyway"),
                            ("shorten", "shorten"),
                            ("repeat_step", "repeat the step"),
                            ("restart", "restart"),
                            ("review", "medical review"),
                        ],
                        max_length=12,
                        verbose_name="action",
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200, verbose_name="note")),
                (
                    "spacing",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="late_bands", to="scheduling.spacing"
                    ),
                ),
            ],
            options={
                "verbose_name": "late band",
                "verbose_name_plural": "late bands",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="StateChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("from_state", models.CharField(blank=True, max_length=20, verbose_name="from")),
                ("to_state", models.CharField(max_length=20, verbose_name="to")),
                ("reason", models.CharField(blank=True, max_length=300, verbose_name="why")),
                ("details", models.JSONField(blank=True, default=dict, verbose_name="details")),
                (
                    "appointment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "course",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="changes", to="scheduling.course"
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "verbose_name": "change",
                "verbose_name_plural": "changes",
                "ordering": ["at", "id"],
                "indexes": [models.Index(fields=["course", "at"], name="state_change_by_course")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("appointment", None), ("session__isnull", False), _connector="OR"),
                        name="change_of_an_appointment_names_its_session",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("from_state", models.F("to_state")), _negated=True),
                            models.Q(("details", {}), _negated=True),
                            _connector="OR",
                        ),
                        name="change_changes_something",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="3232025e182cc5578759854b596e421e112daefe",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_f2572",
                            table="scheduling_statechange",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SessionEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                ("step_key", models.SlugField(db_index=False, verbose_name="step")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("performed", "performed"),
                            ("skipped", "skipped"),
                            ("dropped", "dropped"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("state_reason", models.CharField(blank=True, max_length=300, verbose_name="reason")),
                ("counts", models.BooleanField(default=True, verbose_name="counts")),
                ("counts_reason", models.CharField(blank=True, max_length=200, verbose_name="why it does not count")),
                (
                    "late_action",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("book_anyway", "book anyway"),
                            ("shorten", "shorten"),
                            ("repeat_step", "repeat the step"),
                            ("restart", "restart"),
                            ("review", "medical review"),
                        ],
                        help_text="what a clinician decided for a session that comes late",
                        max_length=12,
                        verbose_name="coming late",
                    ),
                ),
                ("performed_at", models.DateTimeField(blank=True, null=True, verbose_name="performed at")),
                (
                    "performed_on",
                    models.DateField(
                        blank=True, help_text="local date of the site", null=True, verbose_name="performed"
                    ),
                ),
                (
                    "performed_minutes",
                    models.PositiveSmallIntegerField(blank=True, help_text="minutes", null=True, verbose_name="took"),
                ),
                (
                    "course",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.course",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.session",
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.step",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="5ec7d624a8e84977090d38fc972a38e89355bf99",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_77de4",
                            table="scheduling_sessionevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StepGate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.SlugField(verbose_name="gate")),
                ("parameters", models.JSONField(blank=True, default=dict, verbose_name="parameters")),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="gates", to="scheduling.step"
                    ),
                ),
            ],
            options={
                "verbose_name": "gate",
                "verbose_name_plural": "gates",
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("step", "name", "parameters"), name="step_lists_a_gate_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="WaitingListEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("since", models.DateTimeField(verbose_name="since")),
                ("from_on", models.DateField(blank=True, null=True, verbose_name="from")),
                ("until_on", models.DateField(blank=True, null=True, verbose_name="until")),
                (
                    "notice_hours",
                    models.PositiveSmallIntegerField(default=24, help_text="hours", verbose_name="notice needed"),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="looks that died of it")),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="closed")),
                ("close_reason", models.CharField(blank=True, max_length=100, verbose_name="why closed")),
                (
                    "added_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="waiting", to="scheduling.session"
                    ),
                ),
            ],
            options={
                "verbose_name": "waiting-list entry",
                "verbose_name_plural": "waiting list",
                "ordering": ["since"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at", None)), fields=("session",), name="session_waits_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("close_reason", ""), ("closed_at", None)),
                            models.Q(("closed_at__isnull", False), models.Q(("close_reason", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="waiting_list_entry_says_why_exactly_if_closed",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "scheduling_waitinglistentryevent" ("added_by_id", "close_reason", "closed_at", "from_on", "id", "notice_hours", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "session_id", "since", "tries", "uid", "until_on") VALUES (NEW."added_by_id", NEW."close_reason", NEW."closed_at", NEW."from_on", NEW."id", NEW."notice_hours", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."session_id", NEW."since", NEW."tries", NEW."uid", NEW."until_on"); RETURN NULL;',
                            hash="578ad19b0f4ba4e090fad7bc78b99a75aa0d4e37",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_5c4ed",
                            table="scheduling_waitinglistentry",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "scheduling_waitinglistentryevent" ("added_by_id", "close_reason", "closed_at", "from_on", "id", "notice_hours", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "session_id", "since", "tries", "uid", "until_on") VALUES (NEW."added_by_id", NEW."close_reason", NEW."closed_at", NEW."from_on", NEW."id", NEW."notice_hours", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."session_id", NEW."since", NEW."tries", NEW."uid", NEW."until_on"); RETURN NULL;',
                            hash="c239e33caf82ce7f13b72d5f37c1f6ec5f30154b",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_72f34",
                            table="scheduling_waitinglistentry",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WaitingListEntryEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("since", models.DateTimeField(verbose_name="since")),
                ("from_on", models.DateField(blank=True, null=True, verbose_name="from")),
                ("until_on", models.DateField(blank=True, null=True, verbose_name="until")),
                (
                    "notice_hours",
                    models.PositiveSmallIntegerField(default=24, help_text="hours", verbose_name="notice needed"),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="looks that died of it")),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="closed")),
                ("close_reason", models.CharField(blank=True, max_length=100, verbose_name="why closed")),
                (
                    "added_by",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="history",
                        to="scheduling.waitinglistentry",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="scheduling.session",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="c0e0ee9a9ed5e7d44e2b7a85f1b6fa174e21a713",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_6f524",
                            table="scheduling_waitinglistentryevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Examination",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "site",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="clinic.site"
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="scheduling.resource",
                    ),
                ),
                ("on", models.DateField(help_text="the site's, of a nightly look", verbose_name="date")),
                ("reason", models.SlugField(verbose_name="because")),
                ("asked_at", models.DateTimeField(verbose_name="asked")),
                ("cursor", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="tries without progress")),
                ("timeouts", models.PositiveSmallIntegerField(default=0, verbose_name="tries that took too long")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                ("courses", models.PositiveIntegerField(default=0, verbose_name="courses looked at")),
                ("uncovered", models.PositiveIntegerField(default=0, verbose_name="visits no longer covered")),
                ("mended", models.PositiveIntegerField(default=0, verbose_name="stored windows that were wrong")),
                ("failed", models.PositiveIntegerField(default=0, verbose_name="courses that could not be looked at")),
            ],
            options={
                "verbose_name": "examination",
                "verbose_name_plural": "examinations",
                "ordering": ["asked_at", "id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at", None)),
                        fields=["asked_at"],
                        name="unfinished_examination_by_age",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("site", "on"), name="site_is_examined_once_a_night"),
                    models.UniqueConstraint(
                        condition=models.Q(("finished_at", None)),
                        fields=("resource",),
                        name="resource_waits_for_one_examination",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("resource__isnull", False), ("site", None)),
                            models.Q(("resource", None), ("site__isnull", False)),
                            _connector="OR",
                        ),
                        name="examination_is_of_a_site_or_a_resource",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="FreedTime",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "site",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="clinic.site"),
                ),
                (
                    "appointment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="scheduling.appointment",
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="scheduling.resource",
                    ),
                ),
                ("freed_at", models.DateTimeField(verbose_name="fell free")),
                ("first_on", models.DateField(verbose_name="first day")),
                ("last_on", models.DateField(verbose_name="last day")),
                ("from_time", models.TimeField(null=True, verbose_name="from")),
                ("until_time", models.TimeField(null=True, verbose_name="until")),
                (
                    "look_at",
                    models.DateTimeField(help_text="when somebody may be found for it", verbose_name="next look"),
                ),
                ("lease_until", models.DateTimeField(null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="looks begun and not ended")),
                ("timeouts", models.PositiveSmallIntegerField(default=0, verbose_name="looks that took too long")),
                (
                    "at_entry",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="scheduling.waitinglistentry",
                    ),
                ),
                ("closed_at", models.DateTimeField(null=True, verbose_name="closed")),
            ],
            options={
                "verbose_name": "freed time",
                "verbose_name_plural": "freed times",
                "ordering": ["freed_at", "id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("closed_at", None)), fields=["look_at"], name="open_freed_time_by_next_look"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last_on__gte", models.F("first_on"))),
                        name="freed_time_ends_on_or_after_its_first_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("appointment", None), ("resource", None), _connector="OR"),
                        name="freed_time_is_a_visits_or_a_resources",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Offer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "entry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="offers",
                        to="scheduling.waitinglistentry",
                    ),
                ),
                (
                    "freed",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="offers", to="scheduling.freedtime"
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="patients.patient"
                    ),
                ),
                (
                    "reservation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="offer", to="scheduling.reservation"
                    ),
                ),
                ("made_at", models.DateTimeField(verbose_name="made")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended")),
                (
                    "ended_as",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("accepted", "accepted"),
                            ("declined", "declined"),
                            ("expired", "not answered in time"),
                            ("withdrawn", "withdrawn"),
                        ],
                        max_length=10,
                        verbose_name="came of it",
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "offer",
                "verbose_name_plural": "offers",
                "ordering": ["made_at", "id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("freed", "patient"), name="freed_time_is_offered_once_to_a_patient"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("entry",),
                        name="waiting_session_has_one_open_offer",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_as", ""), ("ended_at", None)),
                            models.Q(("ended_at__isnull", False), models.Q(("ended_as", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="offer_says_how_exactly_if_it_ended",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="outcome",
            name="complications",
            field=models.ManyToManyField(
                blank=True,
                related_name="+",
                through="scheduling.OutcomeComplication",
                to="patients.complication",
                verbose_name="complications",
            ),
        ),
        migrations.AddField(
            model_name="resource",
            name="capabilities",
            field=models.ManyToManyField(
                related_name="resources", through="scheduling.ResourceCapability", to="scheduling.capability"
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="performed_by",
            field=models.ManyToManyField(related_name="+", through="scheduling.SessionUse", to="scheduling.resource"),
        ),
    ]
