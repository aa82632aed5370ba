-- The last operation on each AuthSession.
CREATE INDEX runs_operations ON runs (project_id, auth_session_id, created_at)
    WHERE kind = 'operation';
