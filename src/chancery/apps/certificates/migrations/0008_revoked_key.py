from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("certificates", "0007_origin")]

    operations = [
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(
                condition=models.Q(("revocation_asked_at__isnull", False)),
                fields=["spki_sha256", "revocation_reason"],
                name="certificate_by_revoked_key",
            ),
        ),
    ]
