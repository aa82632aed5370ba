-- A Worker that stood still while another took its Deployment up must not say how that ended.
ALTER TABLE deployments ADD COLUMN fence integer NOT NULL DEFAULT 0;
