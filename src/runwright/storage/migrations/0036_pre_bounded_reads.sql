-- What runs by itself finds its rows by an index, however many there are of others.

-- What waits, of a project or of all its workspace's: how much, and the oldest.
CREATE INDEX runs_queued ON runs (project_id, created_at) INCLUDE (kind, waits_for)
    WHERE status = 'pending' AND turn IS NOT NULL;
-- Whether an unfinished Run uses a session.
CREATE INDEX runs_session ON runs (project_id, auth_session_id)
    WHERE auth_session_id IS NOT NULL AND status IN ('pending', 'started');
CREATE INDEX job_runs_ended ON job_runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX job_runs_deployment ON job_runs (deployment_id) WHERE deployment_id IS NOT NULL;
CREATE INDEX deployments_unfinished ON deployments (created_at) WHERE status IN ('pending', 'building');
CREATE INDEX deployments_bundle ON deployments (bundle_sha256);
