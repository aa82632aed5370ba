-- The proxy that a project names in its settings may hold a password, so it stands sealed beside the manifest.
ALTER TABLE deployments ADD COLUMN sealed_proxy bytea;
