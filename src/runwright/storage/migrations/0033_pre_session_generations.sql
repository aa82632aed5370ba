-- A session that is removed and made again has a state of its own: no generation comes twice, whatever row it is on.
CREATE SEQUENCE auth_session_generations AS integer;
SELECT setval('auth_session_generations', (SELECT coalesce(max(generation), 0) + 1 FROM auth_sessions));
