import clinic.validators
import datetime
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import pgtrigger.compiler
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("email", models.EmailField(max_length=254, unique=True, verbose_name="e-mail")),
                (
                    "name",
                    models.CharField(
                        max_length=200, validators=[clinic.validators.validate_one_line], verbose_name="name"
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("is_staff", models.BooleanField(default=False, verbose_name="may sign in to the front desk")),
                ("joined_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="joined")),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("email"), name="user_email_is_unique_whatever_its_case"
                    )
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "clinic_userevent" ("email", "id", "is_active", "is_staff", "is_superuser", "joined_at", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "uid") VALUES (NEW."email", NEW."id", NEW."is_active", NEW."is_staff", NEW."is_superuser", NEW."joined_at", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."uid"); RETURN NULL;',
                            hash="127fb2eee4811e56ed04e43ce1a8f2eb939d8b2b",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_2f1a2",
                            table="clinic_user",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition='WHEN (OLD."email" IS DISTINCT FROM (NEW."email") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."is_staff" IS DISTINCT FROM (NEW."is_staff") OR OLD."is_superuser" IS DISTINCT FROM (NEW."is_superuser") OR OLD."joined_at" IS DISTINCT FROM (NEW."joined_at") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."uid" IS DISTINCT FROM (NEW."uid"))',
                            func='INSERT INTO "clinic_userevent" ("email", "id", "is_active", "is_staff", "is_superuser", "joined_at", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "uid") VALUES (NEW."email", NEW."id", NEW."is_active", NEW."is_staff", NEW."is_superuser", NEW."joined_at", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."uid"); RETURN NULL;',
                            hash="627e8a79c5e5756784ecdbfd65809f72beef8e2a",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_8b9bb",
                            table="clinic_user",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="UserEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("email", models.EmailField(max_length=254, verbose_name="e-mail")),
                (
                    "name",
                    models.CharField(
                        max_length=200, validators=[clinic.validators.validate_one_line], verbose_name="name"
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("is_staff", models.BooleanField(default=False, verbose_name="may sign in to the front desk")),
                ("joined_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="joined")),
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
                            hash="a535f1d0fb5444a6a16797c1a08f0f380cadd8c5",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_0aa3e",
                            table="clinic_userevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AccessEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("action", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=80)),
                ("subject_uid", models.UUIDField(null=True)),
                ("patient_uids", models.JSONField(default=list)),
                ("came_from", models.GenericIPAddressField(null=True)),
                ("door", models.CharField(max_length=20)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "access event",
                "verbose_name_plural": "access events",
                "indexes": [models.Index(fields=["subject", "subject_uid", "at"], name="access_event_by_subject")],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="append_only",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                            hash="a8f95956229c325bcc4bbd1fc5e7f367b9385d28",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_b1d36",
                            table="clinic_accessevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=200)),
                ("method", models.CharField(max_length=8)),
                ("path", models.CharField(max_length=300)),
                ("body_sha256", models.CharField(max_length=64)),
                ("status", models.PositiveSmallIntegerField()),
                ("answer", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "idempotency key",
                "verbose_name_plural": "idempotency keys",
                "constraints": [
                    models.UniqueConstraint(fields=("user", "key"), name="idempotency_key_is_used_once_per_user")
                ],
            },
        ),
        migrations.CreateModel(
            name="Site",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "name",
                    models.CharField(
                        max_length=120,
                        unique=True,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="name",
                    ),
                ),
                (
                    "zone",
                    models.CharField(
                        help_text="IANA name, such as Europe/London",
                        max_length=64,
                        validators=[clinic.validators.validate_zone],
                        verbose_name="time zone",
                    ),
                ),
                ("country", models.CharField(help_text="ISO 3166-1, such as GB", max_length=2, verbose_name="country")),
                (
                    "subdivision",
                    models.CharField(
                        blank=True,
                        help_text="ISO 3166-2 part after the hyphen, such as SCT",
                        max_length=10,
                        verbose_name="subdivision",
                    ),
                ),
                ("address", models.TextField(blank=True, verbose_name="address")),
                (
                    "phone",
                    models.CharField(
                        blank=True,
                        max_length=40,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="phone",
                    ),
                ),
                (
                    "sender_name",
                    models.CharField(
                        help_text="Shown in patients' inboxes: keep it neutral, without the treatment",
                        max_length=120,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="sender name",
                    ),
                ),
                ("sender_email", models.EmailField(max_length=254, verbose_name="sender address")),
                ("language", models.CharField(default="en", max_length=10, verbose_name="language")),
                (
                    "grid_minutes",
                    models.PositiveSmallIntegerField(
                        default=5,
                        help_text="minutes",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(60),
                        ],
                        verbose_name="grid",
                    ),
                ),
                (
                    "booking_horizon_days",
                    models.PositiveSmallIntegerField(
                        default=365,
                        help_text="days; three years (1100) at most",
                        validators=[django.core.validators.MaxValueValidator(1100)],
                        verbose_name="booking horizon",
                    ),
                ),
                (
                    "shortest_visit_minutes",
                    models.PositiveSmallIntegerField(
                        default=20,
                        help_text="minutes; a shorter hole in a diary counts as awkward",
                        verbose_name="shortest useful hole",
                    ),
                ),
                ("mail_time", models.TimeField(default=datetime.time(9, 0), verbose_name="reminders go at")),
                ("quiet_from_time", models.TimeField(default=datetime.time(20, 0), verbose_name="no mail from")),
                ("quiet_until_time", models.TimeField(default=datetime.time(8, 0), verbose_name="no mail until")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
            ],
            options={
                "verbose_name": "site",
                "verbose_name_plural": "sites",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("grid_minutes__gte", 1), ("grid_minutes__lte", 60)),
                        name="site_grid_is_within_an_hour",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("booking_horizon_days__lte", 1100)),
                        name="site_takes_bookings_for_three_years_at_most",
                    ),
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "clinic_siteevent" ("address", "booking_horizon_days", "country", "grid_minutes", "id", "is_active", "language", "mail_time", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "phone", "quiet_from_time", "quiet_until_time", "sender_email", "sender_name", "shortest_visit_minutes", "subdivision", "uid", "zone") VALUES (NEW."address", NEW."booking_horizon_days", NEW."country", NEW."grid_minutes", NEW."id", NEW."is_active", NEW."language", NEW."mail_time", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."phone", NEW."quiet_from_time", NEW."quiet_until_time", NEW."sender_email", NEW."sender_name", NEW."shortest_visit_minutes", NEW."subdivision", NEW."uid", NEW."zone"); RETURN NULL;',
                            hash="36ad65315b0c13b8cb7fc77a0db7f15377d4a283",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_43f6d",
                            table="clinic_site",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "clinic_siteevent" ("address", "booking_horizon_days", "country", "grid_minutes", "id", "is_active", "language", "mail_time", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "phone", "quiet_from_time", "quiet_until_time", "sender_email", "sender_name", "shortest_visit_minutes", "subdivision", "uid", "zone") VALUES (NEW."address", NEW."booking_horizon_days", NEW."country", NEW."grid_minutes", NEW."id", NEW."is_active", NEW."language", NEW."mail_time", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."phone", NEW."quiet_from_time", NEW."quiet_until_time", NEW."sender_email", NEW."sender_name", NEW."shortest_visit_minutes", NEW."subdivision", NEW."uid", NEW."zone"); RETURN NULL;',
                            hash="8618e401697a5afccf40ed736c7ae85d9f892d51",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_fbf19",
                            table="clinic_site",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SiteEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "name",
                    models.CharField(
                        max_length=120, validators=[clinic.validators.validate_one_line], verbose_name="name"
                    ),
                ),
                (
                    "zone",
                    models.CharField(
                        help_text="IANA name, such as Europe/London",
                        max_length=64,
                        validators=[clinic.validators.validate_zone],
                        verbose_name="time zone",
                    ),
                ),
                ("country", models.CharField(help_text="ISO 3166-1, such as GB", max_length=2, verbose_name="country")),
                (
                    "subdivision",
                    models.CharField(
                        blank=True,
                        help_text="ISO 3166-2 part after the hyphen, such as SCT",
                        max_length=10,
                        verbose_name="subdivision",
                    ),
                ),
                ("address", models.TextField(blank=True, verbose_name="address")),
                (
                    "phone",
                    models.CharField(
                        blank=True,
                        max_length=40,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="phone",
                    ),
                ),
                (
                    "sender_name",
                    models.CharField(
                        help_text="Shown in patients' inboxes: keep it neutral, without the treatment",
                        max_length=120,
                        validators=[clinic.validators.validate_one_line],
                        verbose_name="sender name",
                    ),
                ),
                ("sender_email", models.EmailField(max_length=254, verbose_name="sender address")),
                ("language", models.CharField(default="en", max_length=10, verbose_name="language")),
                (
                    "grid_minutes",
                    models.PositiveSmallIntegerField(
                        default=5,
                        help_text="minutes",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(60),
                        ],
                        verbose_name="grid",
                    ),
                ),
                (
                    "booking_horizon_days",
                    models.PositiveSmallIntegerField(
                        default=365,
                        help_text="days; three years (1100) at most",
                        validators=[django.core.validators.MaxValueValidator(1100)],
                        verbose_name="booking horizon",
                    ),
                ),
                (
                    "shortest_visit_minutes",
                    models.PositiveSmallIntegerField(
                        default=20,
                        help_text="minutes; a shorter hole in a diary counts as awkward",
                        verbose_name="shortest useful hole",
                    ),
                ),
                ("mail_time", models.TimeField(default=datetime.time(9, 0), verbose_name="reminders go at")),
                ("quiet_from_time", models.TimeField(default=datetime.time(20, 0), verbose_name="no mail from")),
                ("quiet_until_time", models.TimeField(default=datetime.time(8, 0), verbose_name="no mail until")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
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
                            hash="c8ba2e1320b9436d362590bcd7c4f0f1c5df6f93",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_1ad04",
                            table="clinic_siteevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SiteRole",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("reception", "Reception"),
                            ("clinician", "Clinician"),
                            ("prescriber", "Prescriber"),
                            ("manager", "Manager"),
                            ("operator", "Operator"),
                        ],
                        max_length=20,
                        verbose_name="role",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="roles", to="clinic.site"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="roles", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "role at a site",
                "verbose_name_plural": "roles at sites",
                "constraints": [
                    models.UniqueConstraint(fields=("user", "site", "role"), name="user_has_a_role_at_a_site_once")
                ],
                "triggers": [
                    pgtrigger.compiler.Trigger(
                        name="insert_insert",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            func='INSERT INTO "clinic_siteroleevent" ("id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "site_id", "user_id") VALUES (NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."role", NEW."site_id", NEW."user_id"); RETURN NULL;',
                            hash="a25c8fcfacc99c27291b4a27acda2e1a719fed1a",
                            operation="INSERT",
                            pgid="pgtrigger_insert_insert_9c5a2",
                            table="clinic_siterole",
                            when="AFTER",
                        ),
                    ),
                    pgtrigger.compiler.Trigger(
                        name="update_update",
                        sql=pgtrigger.compiler.UpsertTriggerSql(
                            condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                            func='INSERT INTO "clinic_siteroleevent" ("id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "site_id", "user_id") VALUES (NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."role", NEW."site_id", NEW."user_id"); RETURN NULL;',
                            hash="44bc8fda1d1c0ea6610d9f19a3b9e4de655505a9",
                            operation="UPDATE",
                            pgid="pgtrigger_update_update_02d3e",
                            table="clinic_siterole",
                            when="AFTER",
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SiteRoleEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("reception", "Reception"),
                            ("clinician", "Clinician"),
                            ("prescriber", "Prescriber"),
                            ("manager", "Manager"),
                            ("operator", "Operator"),
                        ],
                        max_length=20,
                        verbose_name="role",
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
                        to="clinic.siterole",
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
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
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
                            hash="788f87f8f186dcea065309e08858fddfbefaceec",
                            operation="UPDATE OR DELETE",
                            pgid="pgtrigger_append_only_d81f8",
                            table="clinic_siteroleevent",
                            when="BEFORE",
                        ),
                    )
                ],
            },
        ),
    ]
