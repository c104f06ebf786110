"""Changes a target, one runbook procedure per module. The first ones come with the backups."""
