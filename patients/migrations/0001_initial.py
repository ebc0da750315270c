import clinic.validators
import django.contrib.postgres.indexes
import django.contrib.postgres.operations
import django.db.models.deletion
import pgtrigger.compiler
import phonenumber_field.modelfields
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("clinic", "0001_initial"),
        ("clinic", "__first__"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        django.contrib.postgres.operations.TrigramExtension(),
        migrations.CreateModel(
            name="Area",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.SlugField(unique=True, verbose_name="code")),
                ("name", models.CharField(max_length=80, verbose_name="name")),
                (
                    "side",
                    models.CharField(
                        blank=True,
                        choices=[("left", "left"), ("right", "right"), ("", "no side")],
                        max_length=5,
                        verbose_name="side",
                    ),
                ),
                (
                    "region",
                    models.SlugField(help_text="such as leg or face: what protocols speak of", verbose_name="region"),
                ),
            ],
            options={
                "verbose_name": "area",
                "verbose_name_plural": "areas",
                "ordering": ["region", "side", "code"],
            },
        ),
        migrations.CreateModel(
            name="Complication",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.SlugField(unique=True, verbose_name="code")),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                ("is_expected", models.BooleanField(default=False, verbose_name="expected, holds nothing")),
            ],
            options={
                "verbose_name": "complication",
                "verbose_name_plural": "complications",
                "ordering": ["code"],
            },
        ),
        migrations.CreateModel(
            name="Question",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.SlugField(unique=True, verbose_name="code")),
                ("text", models.CharField(max_length=300, verbose_name="question")),
                (
                    "texts",
                    models.JSONField(
                        blank=True, default=dict, help_text="language → question", verbose_name="in other languages"
                    ),
                ),
                (
                    "choices",
                    models.JSONField(default=list, help_text="codes, such as [“no”, “yes”]", verbose_name="answers"),
                ),
            ],
            options={
                "verbose_name": "question",
                "verbose_name_plural": "questions",
                "ordering": ["code"],
            },
        ),
        migrations.CreateModel(
            name="Patient",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "given_name",
                    models.CharField(
                        blank=True,
                        max_length=120,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="given name",
                    ),
                ),
                (
                    "family_name",
                    models.CharField(
                        max_length=120, validators=[clinic.validators.validate_one_line], verbose_name="family name"
                    ),
                ),
                ("search_name", models.CharField(editable=False, max_length=260)),
                ("identity_revision", models.PositiveIntegerField(default=1, editable=False)),
                ("born_on", models.DateField(blank=True, null=True, verbose_name="born")),
                (
                    "language",
                    models.CharField(
                        default="en", help_text="of messages to the patient", max_length=10, verbose_name="language"
                    ),
                ),
                (
                    "email",
                    models.CharField(
                        blank=True,
                        max_length=254,
                        validators=[clinic.validators.validate_one_address],
                        verbose_name="e-mail",
                    ),
                ),
                (
                    "mail_state",
                    models.CharField(
                        choices=[
                            ("none", "no address"),
                            ("ok", "in use"),
                            ("bounced", "bounced"),
                            ("suppressed", "suppressed"),
                        ],
                        default="none",
                        editable=False,
                        max_length=12,
                        verbose_name="address state",
                    ),
                ),
                ("mail_consent_at", models.DateTimeField(blank=True, null=True, verbose_name="agreed to e-mail")),
                ("mail_opted_out_at", models.DateTimeField(blank=True, null=True, verbose_name="opted out of e-mail")),
                (
                    "interpreter_language",
                    models.CharField(blank=True, max_length=10, verbose_name="interpreter needed for"),
                ),
                ("access_needs", models.TextField(blank=True, verbose_name="access needs")),
                ("deceased_on", models.DateField(blank=True, null=True, verbose_name="died")),
                ("pseudonymised_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("registered_at", models.DateTimeField(verbose_name="registered")),
                (
                    "merged_into",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="merged_from",
                        to="patients.patient",
                        verbose_name="merged into",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clinic.site",
                        verbose_name="usual site",
                    ),
                ),
            ],
            options={
                "verbose_name": "patient",
                "verbose_name_plural": "patients",
                "ordering": ["search_name", "id"],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        django.contrib.postgres.indexes.OpClass(models.F("search_name"), name="gin_trgm_ops"),
                        name="patient_by_part_of_name",
                    ),
                    models.Index(fields=["email"], name="patient_by_email"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("merged_into", models.F("id")), _negated=True),
                        name="patient_is_not_merged_into_itself",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("email", ""), ("mail_state", "none")),
                            models.Q(
                                models.Q(("email", ""), _negated=True), models.Q(("mail_state", "none"), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="patient_with_an_address_has_an_address_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("email__contains", ","), _negated=True), name="patient_email_is_one_address"
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "patients_patientevent" ("deceased_on", "id", "identity_revision", "interpreter_language", "language", "mail_consent_at", "mail_opted_out_at", "mail_state", "merged_into_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "pseudonymised_at", "registered_at", "site_id", "uid") VALUES (NEW."deceased_on", NEW."id", NEW."identity_revision", NEW."interpreter_language", NEW."language", NEW."mail_consent_at", NEW."mail_opted_out_at", NEW."mail_state", NEW."merged_into_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."pseudonymised_at", NEW."registered_at", NEW."site_id", NEW."uid"); RETURN NULL;',
                            hash="7694c18548ef0ffa396d6c24a6005c27a2f85175",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_62165",
                            table="patients_patient",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."deceased_on" IS DISTINCT FROM (NEW."deceased_on") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."identity_revision" IS DISTINCT FROM (NEW."identity_revision") OR OLD."interpreter_language" IS DISTINCT FROM (NEW."interpreter_language") OR OLD."language" IS DISTINCT FROM (NEW."language") OR OLD."mail_consent_at" IS DISTINCT FROM (NEW."mail_consent_at") OR OLD."mail_opted_out_at" IS DISTINCT FROM (NEW."mail_opted_out_at") OR OLD."mail_state" IS DISTINCT FROM (NEW."mail_state") OR OLD."merged_into_id" IS DISTINCT FROM (NEW."merged_into_id") OR OLD."pseudonymised_at" IS DISTINCT FROM (NEW."pseudonymised_at") OR OLD."registered_at" IS DISTINCT FROM (NEW."registered_at") OR OLD."site_id" IS DISTINCT FROM (NEW."site_id") OR OLD."uid" IS DISTINCT FROM (NEW."uid"))',
                            func='INSERT INTO "patients_patientevent" ("deceased_on", "id", "identity_revision", "interpreter_language", "language", "mail_consent_at", "mail_opted_out_at", "mail_state", "merged_into_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "pseudonymised_at", "registered_at", "site_id", "uid") VALUES (NEW."deceased_on", NEW."id", NEW."identity_revision", NEW."interpreter_language", NEW."language", NEW."mail_consent_at", NEW."mail_opted_out_at", NEW."mail_state", NEW."merged_into_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."pseudonymised_at", NEW."registered_at", NEW."site_id", NEW."uid"); RETURN NULL;',
                            hash="1e2059709b1ba097beea2129a21cf791905d140e",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_546ce",
                            table="patients_patient",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Identifier",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "system",
                    models.CharField(
                        help_text="such as urn:nhs or the clinic's own", max_length=120, verbose_name="system"
                    ),
                ),
                (
                    "value",
                    models.CharField(
                        max_length=80, validators=[clinic.validators.validate_one_line], verbose_name="number"
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="identifiers", to="patients.patient"
                    ),
                ),
            ],
            options={
                "verbose_name": "identifier",
                "verbose_name_plural": "identifiers",
                "constraints": [
                    models.UniqueConstraint(fields=("system", "value"), name="identifier_belongs_to_one_patient")
                ],
            },
        ),
        migrations.CreateModel(
            name="Guardian",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "name",
                    models.CharField(
                        max_length=200, validators=[clinic.validators.validate_one_line], verbose_name="name"
                    ),
                ),
                ("relationship", models.CharField(blank=True, max_length=60, verbose_name="relationship")),
                (
                    "email",
                    models.CharField(
                        blank=True,
                        max_length=254,
                        validators=[clinic.validators.validate_one_address],
                        verbose_name="e-mail",
                    ),
                ),
                (
                    "phone",
                    phonenumber_field.modelfields.PhoneNumberField(
                        blank=True, max_length=128, region=None, verbose_name="phone"
                    ),
                ),
                ("from_on", models.DateField(blank=True, null=True, verbose_name="from")),
                ("until_on", models.DateField(blank=True, null=True, verbose_name="until")),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="guardians", to="patients.patient"
                    ),
                ),
            ],
            options={
                "verbose_name": "guardian",
                "verbose_name_plural": "guardians",
            },
        ),
        migrations.CreateModel(
            name="Answer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("value", models.CharField(max_length=40, verbose_name="answer")),
                ("note", models.TextField(blank=True, verbose_name="note")),
                ("given_on", models.DateField(verbose_name="given")),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("staff", "asked by staff"),
                            ("patient", "patient's own page"),
                            ("import", "imported"),
                        ],
                        default="staff",
                        max_length=10,
                        verbose_name="source",
                    ),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("reviewed_at", models.DateTimeField(blank=True, null=True, verbose_name="looked at by a clinician")),
                ("error_at", models.DateTimeField(blank=True, null=True, verbose_name="recorded in error")),
                ("error_reason", models.CharField(blank=True, max_length=300, verbose_name="reason")),
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
                    "recorded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "reviewed_by",
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
                        on_delete=django.db.models.deletion.CASCADE, related_name="answers", to="patients.patient"
                    ),
                ),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="answers", to="patients.question"
                    ),
                ),
            ],
            options={
                "verbose_name": "answer",
                "verbose_name_plural": "answers",
                "ordering": ["-given_on", "-recorded_at", "-id"],
                "indexes": [
                    models.Index(fields=["patient", "question", "-given_on"], name="answer_by_patient_and_question")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("error_at", None), models.Q(("error_reason", ""), _negated=True), _connector="OR"
                        ),
                        name="answer_in_error_says_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reviewed_at", None), ("reviewed_by", None)),
                            models.Q(("reviewed_at__isnull", False), ("reviewed_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="answer_review_has_a_reviewer",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "patients_answerevent" ("error_at", "error_by_id", "given_on", "id", "patient_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "question_id", "recorded_at", "recorded_by_id", "reviewed_at", "reviewed_by_id", "source", "uid", "value") VALUES (NEW."error_at", NEW."error_by_id", NEW."given_on", NEW."id", NEW."patient_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."question_id", NEW."recorded_at", NEW."recorded_by_id", NEW."reviewed_at", NEW."reviewed_by_id", NEW."source", NEW."uid", NEW."value"); RETURN NULL;',
                            hash="a3c6b2deae7a874eb9b965bd1fdd8b3b70d22dcf",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_9daaa",
                            table="patients_answer",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."error_at" IS DISTINCT FROM (NEW."error_at") OR OLD."error_by_id" IS DISTINCT FROM (NEW."error_by_id") OR OLD."given_on" IS DISTINCT FROM (NEW."given_on") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."patient_id" IS DISTINCT FROM (NEW."patient_id") OR OLD."question_id" IS DISTINCT FROM (NEW."question_id") OR OLD."recorded_at" IS DISTINCT FROM (NEW."recorded_at") OR OLD."recorded_by_id" IS DISTINCT FROM (NEW."recorded_by_id") OR OLD."reviewed_at" IS DISTINCT FROM (NEW."reviewed_at") OR OLD."reviewed_by_id" IS DISTINCT FROM (NEW."reviewed_by_id") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."uid" IS DISTINCT FROM (NEW."uid") OR OLD."value" IS DISTINCT FROM (NEW."value"))',
                            func='INSERT INTO "patients_answerevent" ("error_at", "error_by_id", "given_on", "id", "patient_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "question_id", "recorded_at", "recorded_by_id", "reviewed_at", "reviewed_by_id", "source", "uid", "value") VALUES (NEW."error_at", NEW."error_by_id", NEW."given_on", NEW."id", NEW."patient_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."question_id", NEW."recorded_at", NEW."recorded_by_id", NEW."reviewed_at", NEW."reviewed_by_id", NEW."source", NEW."uid", NEW."value"); RETURN NULL;',
                            hash="f00b6220bfc189b8b6a194ab9b9b12c4d7095c5e",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_6b0c4",
                            table="patients_answer",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PatientEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("identity_revision", models.PositiveIntegerField(default=1, editable=False)),
                (
                    "language",
                    models.CharField(
                        default="en", help_text="of messages to the patient", max_length=10, verbose_name="language"
                    ),
                ),
                (
                    "mail_state",
                    models.CharField(
                        choices=[
                            ("none", "no address"),
                            ("ok", "in use"),
                            ("bounced", "bounced"),
                            ("suppressed", "suppressed"),
                        ],
                        default="none",
                        editable=False,
                        max_length=12,
                        verbose_name="address state",
                    ),
                ),
                ("mail_consent_at", models.DateTimeField(blank=True, null=True, verbose_name="agreed to e-mail")),
                ("mail_opted_out_at", models.DateTimeField(blank=True, null=True, verbose_name="opted out of e-mail")),
                (
                    "interpreter_language",
                    models.CharField(blank=True, max_length=10, verbose_name="interpreter needed for"),
                ),
                ("deceased_on", models.DateField(blank=True, null=True, verbose_name="died")),
                ("pseudonymised_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("registered_at", models.DateTimeField(verbose_name="registered")),
                (
                    "merged_into",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="patients.patient",
                        verbose_name="merged into",
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
                        to="patients.patient",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="clinic.site",
                        verbose_name="usual site",
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
                            hash="d56fc44e91ee8df71d41dd0265710731967b921c",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_ade9e",
                            table="patients_patientevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Phone",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "number",
                    phonenumber_field.modelfields.PhoneNumberField(max_length=128, region=None, verbose_name="number"),
                ),
                (
                    "label",
                    models.CharField(
                        blank=True,
                        max_length=40,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="label",
                    ),
                ),
                ("is_preferred", models.BooleanField(default=False, verbose_name="preferred")),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="phones", to="patients.patient"
                    ),
                ),
            ],
            options={
                "verbose_name": "phone",
                "verbose_name_plural": "phones",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_preferred", True)),
                        fields=("patient",),
                        name="patient_has_one_preferred_phone",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AnswerEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("value", models.CharField(max_length=40, verbose_name="answer")),
                ("given_on", models.DateField(verbose_name="given")),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("staff", "asked by staff"),
                            ("patient", "patient's own page"),
                            ("import", "imported"),
                        ],
                        default="staff",
                        max_length=10,
                        verbose_name="source",
                    ),
                ),
                ("recorded_at", models.DateTimeField(verbose_name="recorded")),
                ("reviewed_at", models.DateTimeField(blank=True, null=True, verbose_name="looked at by a clinician")),
                ("error_at", models.DateTimeField(blank=True, null=True, verbose_name="recorded in error")),
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
                        to="patients.answer",
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
                    "reviewed_by",
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
                    "question",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="patients.question",
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
                            hash="c9386e8c119c96ebf85449061745abc3fdfada39",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_ed993",
                            table="patients_answerevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
    ]
