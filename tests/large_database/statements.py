"""Every named statement: the arguments to explain it with, or that it only runs on request."""

from __future__ import annotations

from dataclasses import dataclass

SMALL = frozenset(
    [
        "api_keys",
        "counters",
        "deployments",
        "live_requests",
        "model_calls",
        "projects",
        "prunings",
        "result_profiles",
        "run_spans_filled",
        "schema_migrations",
        "webhook_secrets",
        "workers",
        "workspaces",
    ]
)
"""Tables that may be read from end to end: none of them grows with Runs."""
_RUN, _STARTED, _WAITING = "rid('run', 700003)", "rid('started', 7)", "rid('waiting', 77)"
_P, _W, _D, _WORKER = "uid('p', 1)", "uid('w', 1)", "uid('d', 1)", "uid('worker', 1)"
_JR, _OPERATION = "rid('jr', 1)", "rid('run', 700001)"
_FAILURE = """'{"code": "script-timeout"}'"""
_HUNDRED, _HELD_RUNS = "rids('run', 1, 100)", "rids('started', 1, 20)"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A statement with arguments of each kind that it is called with, and what a call may read at the most."""

    calls: tuple[str, ...]
    rows: int
    blocks: int
    may_scan: frozenset[str]


def _case(*calls: str, rows: int = 250, blocks: int = 500, may_scan: str = "") -> Case:
    return Case(
        calls=calls or ("",), rows=rows, blocks=blocks, may_scan=frozenset(may_scan.split())
    )


def _swept(*calls: str) -> Case:
    """Return the case of what looks at up to 10,000 rows at a time."""
    return _case(*calls, rows=12_000, blocks=30_000)


def _counted(*calls: str) -> Case:
    """Return the case of what counts up to 100,000 rows, in an index."""
    return _case(*calls, rows=110_000, blocks=3_000)


EXPLAINED = {
    # runs
    "runs.insert": _case(
        f"'new', {_W}, {_P}, {_D}, 'a', '{{}}', NULL, true, '10 minutes', 3, NULL, NULL, false, 'api', NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    ),
    "runs.count_waiting": _case(f"{_P}, 1000", "uid('p', 4), 1000", rows=1000),
    "runs.expired": _case("200"),
    "runs.find_idempotent": _case(f"{_P}, 'key-700000'"),
    "runs.forget_idempotency_key": _case(f"{_P}, 'key-700000'"),
    "runs.get": _case(_RUN),
    "runs.lock": _case(_RUN),
    "runs.claim_first": _case(f"{_WAITING}, {_WORKER}"),
    "runs.claim_next": _case(f"{_STARTED}, {_WORKER}"),
    "runs.claim_prepared": _case(f"{_STARTED}, {_WORKER}"),
    "runs.begin_attempt": _case(f"{_STARTED}, 1"),
    "runs.begin_part": _case("'new', rid('started', 10), 1, 'check', true, '1 minute', 1, 'a'"),
    "runs.parts": _case(_OPERATION),
    "runs.lose_parts": _case(f"{_OPERATION}, {_FAILURE}"),
    "runs.cancel_parts": _case(f"{_OPERATION}, '{{}}'"),
    "runs.park": _case(f"{_STARTED}, 1, {_RUN}"),
    "runs.waiting": _case(_OPERATION),
    "runs.active_operation": _case(f"{_P}, 's7'"),
    "runs.lose_attempts": _case(f"{_STARTED}, {_FAILURE}"),
    "runs.is_under_way": _case(f"{_STARTED}, 1"),
    "runs.attempts": _case(_RUN),
    "runs.finish": _case(f"{_STARTED}, 1, 'completed', '1', NULL, NULL, NULL, NULL, now(), '{{}}'"),
    "runs.retry": _case(f"{_STARTED}, 1, {_FAILURE}, now(), '{{}}'"),
    "runs.disown": _case(f"{_STARTED}, 1"),
    "runs.give_back": _case(f"{_STARTED}, 1"),
    "runs.hold_back": _case("rid('held', 100), 0"),
    "runs.cancel_pending": _case(f"{_WAITING}, '{{}}'"),
    "runs.request_cancel": _case(_STARTED),
    "runs.interrupted": _case(f"{_HELD_RUNS}, array_fill(1, ARRAY[20])"),
    "runs.unfinished": _swept("'', 10000", "'c', 10000"),
    "runs.add_log_lines": _case(
        f"{_STARTED}, 1, ARRAY[now()], ARRAY['stdout'], ARRAY['info'], ARRAY['x']"
    ),
    "runs.add_log_tail": _case(
        f"{_STARTED}, 1, ARRAY[now()], ARRAY['stdout'], ARRAY['info'], ARRAY['x'], ARRAY[1, 2], 3, 'x'"
    ),
    "runs.log_lines": _case(f"{_RUN}, 0, 1000"),
    "runs.add_file": _case(f"{_STARTED}, 1, 'trace', 't', 1, 'b'"),
    "runs.files": _case(_RUN),
    "runs.file": _case(f"{_RUN}, 1"),
    "runs.page": _case(f"{_P}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, 51"),
    # items
    "items.add": _case(
        f"{_JR}, ARRAY['n1'], ARRAY['a'], ARRAY['{{}}'], ARRAY[NULL]::bytea[], ARRAY['1 minute']::interval[], ARRAY[3], NULL"
    ),
    "items.standing": _case(f"{_JR}, 100, false"),
    "items.feed": _case(f"{_JR}, 20", blocks=3_000),
    "items.unfeed": _case(_JR, blocks=3_000),
    "items.fed": _case(_JR),
    "items.cancel_held": _case(f"{_JR}, '{{}}', 100", blocks=10_000),
    # job_runs
    "job_runs.insert": _case(
        f"'new', {_W}, {_P}, 'j1', {_D}, 'SCHEDULED', 'PENDING', '{{}}', NULL, NULL, NULL, true, now(), NULL, NULL, NULL, NULL"
    ),
    "job_runs.get": _swept(_JR, "rid('jr', 100)"),
    "job_runs.find": _case(_JR),
    "job_runs.lock": _case(_JR),
    "job_runs.active_of_job": _case(f"{_P}, 'j7'"),
    "job_runs.active_of_jobs": _case(f"ARRAY[{_P}, uid('p', 2)], ARRAY['j0', 'j1']"),
    "job_runs.holder_of_session": _case(f"{_P}, 's7'"),
    "job_runs.find_idempotent": _case(f"{_P}, 'j7', 'k'"),
    "job_runs.forget_idempotency_key": _case(f"{_P}, 'j7', 'k'"),
    "job_runs.wait_for": _case(f"{_JR}, {_RUN}"),
    "job_runs.stand": _case(f"{_JR}, 'PAUSED', NULL, true"),
    "job_runs.touch": _case(_JR),
    "job_runs.end": _case(f"{_JR}, 'SUCCESS', NULL"),
    "job_runs.keep_counts": _swept(_JR),
    "job_runs.waiting_for": _case(_RUN),
    "job_runs.stuck": _case("NULL, NULL, 1000", "now() - interval '1 day', 'j', 1000"),
    # jobs
    "jobs.get": _case(f"{_P}, 'j20'"),
    "jobs.lock": _case(f"{_P}, 'j20'"),
    "jobs.pause": _case(f"{_P}, 'j20', '{{}}'"),
    "jobs.note_run": _case(f"{_P}, 'j20'"),
    "jobs.take_due": _case("now(), 100"),
    "jobs.move_on": _case(f"{_P}, 'j20', now(), now(), true"),
    "jobs.next_at": _case(),
    # metrics
    "metrics.counters": _case(rows=1_000),
    "metrics.queue": _counted("100000"),
    "metrics.started": _case("100000"),
    "metrics.deliveries": _counted("100000"),
    "metrics.workers": _case("'60 seconds', 1000"),
    "metrics.others": _case(),
    "metrics.publish": _case(f"{_WORKER}, '{{}}'"),
    "metrics.observe": _case("'x', ARRAY[1.0]"),
    "metrics.fold": _case("1", rows=1_000, blocks=3_000),
    # deliveries
    "deliveries.insert": _case(f"'new', {_P}, {_RUN}, NULL, 'webhook', 't', 'x', NULL"),
    "deliveries.get": _case("'msg_' || rid('run', 700001)"),
    "deliveries.begin_try": _case("'msg_' || rid('run', 999991)"),
    "deliveries.end_try": _case(
        "'msg_' || rid('run', 999991), 0, now(), '1 second', 200, 'x', NULL, 'delivered', NULL"
    ),
    "deliveries.tries": _case("'msg_' || rid('run', 700001)"),
    "deliveries.page": _case(f"{_P}, NULL, NULL, NULL, NULL, NULL, 51"),
    "deliveries.unfinished": _swept("NULL, NULL, 10000", "now() - interval '1 day', 'd', 10000"),
    "deliveries.of_run": _case(_RUN),
    "deliveries.secrets": _case(_P),
    "deliveries.add_secret": _case(f"'new', {_P}, 'x'"),
    # live
    "live.request": _case(f"'new', {_STARTED}, 'u', true, 'w'"),
    "live.take": _case(_HELD_RUNS),
    "live.withdraw": _case("'l1'"),
    "live.is_silent": _case(f"{_STARTED}, '10 seconds'"),
    # retention
    "retention.forget_due_files": _case(
        "'7 days', 500", "'60 days', 500", rows=1_000, blocks=10_000
    ),
    "retention.forget_oldest_files": _case("1000000000, 500", rows=1_000, blocks=10_000),
    "retention.due_runs": _case("'30 days', 100", "'60 days', 100", rows=400, blocks=4_000),
    "retention.with_parts": _case(_HUNDRED, blocks=3_000),
    "retention.forget_files_of": _case(_HUNDRED, blocks=3_000),
    "retention.forget_log_lines_of": _case(f"{_HUNDRED}, 5000", blocks=3_000),
    "retention.lock_deliveries_of": _case(_HUNDRED, blocks=3_000),
    "retention.forget_runs": _case(_HUNDRED, blocks=10_000),
    "retention.forget_job_runs": _case(
        "'30 days', 1000", "'60 days', 1000", rows=2_000, blocks=20_000
    ),
    "retention.forget_notifications": _case(
        "'30 days', 1000", "'60 days', 1000", rows=2_000, blocks=20_000
    ),
    "retention.lock_due_deployments": _case(
        "'1 day', 1000", "'60 days', 1000", rows=2_000, blocks=20_000
    ),
    "retention.forget_locked_deployments": _case("ARRAY[uid('d', 400), uid('d', 900)]"),
    "retention.lock_bundle": _case("'x'"),
    "retention.share_bundle": _case("'x'"),
    "retention.is_bundle_wanted": _case("bundle(7)"),
    "retention.is_bundle_needed": _case("bundle(400)"),
    "retention.oldest_bundles": _case("10000", rows=2_000),
    "retention.known_blobs": _case("blobs(900000, 900999)", rows=1_000, blocks=10_000),
    "retention.known_bundles": _case("bundles(1, 500)", rows=2_000, blocks=3_000),
    "retention.forget_sessions": _case("1000", rows=6_000, blocks=30_000, may_scan="auth_sessions"),
    "retention.forget_secrets": _case("1000"),
    "retention.note": _case("now(), true, '{}'"),
    "retention.last_complete": _case(),
    "retention.last": _case(),
    # overview
    "overview.series": _counted(f"{_W}, now() - interval '1 hour', 120, 0.001, 100, 0.18"),
    "overview.series_of_project": _counted(
        f"{_P}, now() - interval '1 hour', 120, 0.001, 100, 0.18"
    ),
    "overview.series_of_spans": _case(
        f"{_W}, now() - interval '30 days', 86400, 0.001, 100, 0.18, false, '6 hours'",
        f"{_P}, now() - interval '1 day', 3600, 0.001, 100, 0.18, true, '1 hour'",
        rows=130_000,
        blocks=5_000,
    ),
    "overview.failed": _case(f"{_W}, now() - interval '30 days', 200"),
    "overview.failed_of_project": _case(f"{_P}, now() - interval '30 days', 200"),
    "overview.queue": _counted(f"{_W}, NULL, 100000", f"{_W}, {_P}, 100000"),
    "overview.active": _case(f"{_W}, 20"),
    "overview.projects": _case(_W, rows=2_000),
    "overview.project_names": _case(_W),
    "overview.project_counts": _case(
        f"{_W}, date_trunc('hour', now()) - interval '23 hours'", rows=130_000, blocks=5_000
    ),
    "overview.workers": _case("'60 seconds'"),
    "overview.lines": _case(
        f"{_P}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51, NULL, NULL, false"
    ),
    "overview.failed_lines": _case(
        f"{_P}, NULL, 'failed', NULL, NULL, NULL, NULL, NULL, 51, NULL, NULL, false, NULL"
    ),
    "overview.operations": _case(_P, rows=500, blocks=3_000),
    "overview.last_job_runs": _case(_P),
    "overview.progress": _swept(_JR),
    "overview.items": _swept(f"{_JR}, 100"),
    "overview.delivery_counts": _case("rid('jr', 100)"),
    # model_calls
    "model_calls.lock": _case("1"),
    "model_calls.standing": _case(f"{_STARTED}, {_P}"),
    "model_calls.begin": _case(f"{_STARTED}, {_P}, 'openai', 'm', 'm', 0.1, 1, 0.1, '1 minute'"),
    "model_calls.note": _case("1, false, true, 1, 0, 0, 0, 0.1, 'm', '1 minute'"),
    "model_calls.count_ended": _case("20", blocks=2_000),
    "model_calls.of_run": _case(_OPERATION),
    "model_calls.spent_today": _case(),
    "model_calls.forget_spending": _case("400"),
    # platform
    "platform.find_key": _case("sha256('1')"),
    "platform.beat": _case(f"{_WORKER}, 'h', 1, 1, '[]', '10 seconds'"),
    "platform.is_examination_due": _case(f"{_WORKER}, '1 hour', '1 hour'"),
    "platform.publish_findings": _case(f"{_WORKER}, '[]'"),
    "platform.is_gone": _case(f"{_WORKER}, uid('worker', 2), '10 seconds'"),
    "platform.forget_worker": _case(_WORKER),
    "platform.forget_silent_workers": _case(_WORKER),
    # projects
    "projects.find": _case(f"{_W}, 'project-1'"),
    "projects.with_current": _case(f"{_W}, 'project-1'"),
    "projects.by_id": _case(_P),
    "projects.name_of": _case(_P),
    "projects.limits": _case(),
    "projects.deployment": _case(_D),
    "projects.hold_deployment": _case(_D),
    "projects.begin_deployment": _case("uid('d', 0)"),
    "projects.report_deployment": _case("uid('d', 0), 0, 'x'"),
    "projects.finish_deployment": _case("uid('d', 0), 0, '{}', NULL, NULL"),
    "projects.fail_deployment": _case("uid('d', 0), 0, 'x'"),
    "projects.lock": _case(_P),
    "projects.make_current": _case(f"{_P}, uid('d', 21), 1"),
    "projects.unfinished": _case(),
    "projects.current_deployments": _case("20", rows=2_000),
    # questions
    "questions.ask": _case(f"'new', {_STARTED}, 1, 'x', false, '1 minute'"),
    "questions.sinks": _case(_STARTED),
    "questions.open": _case(_STARTED),
    "questions.open_of_workspace": _case(_W),
    "questions.answer": _case("rid('q', -1), 'x'"),
    "questions.take": _case("rid('q', -1)"),
    "questions.end": _case("rid('q', -1)"),
    "questions.forget_untaken": _case(),
    # spans
    "spans.lock": _case(),
    "spans.bound": _case("now() - interval '5 minutes', 5000"),
    "spans.fill": _case(
        "now() - interval '5 minutes', now(), 0.001, 100, 0.18", rows=1_000, blocks=5_000
    ),
    "spans.move": _case("now()"),
    "spans.forget": _case(rows=5_000, blocks=10_000),
    # system
    "system.facts": _case(_W),
    "system.tables": _case(rows=2_000, blocks=3_000),
    # variables
    "variables.list": _case(_P),
    # visits
    "visits.find": _case("sha256('1')"),
    # drift
    "drift.next_api": _case(),
    "drift.ensure": _case(f"{_P}, 'api-1'"),
    "drift.lock": _case(f"{_P}, 'api-1'"),
    "drift.unexamined": _case(f"{_P}, 'api-1', 20"),
    "drift.examined": _case(f"{_HELD_RUNS}, array_fill(NULL::text, ARRAY[20])", blocks=3_000),
    "drift.keep": _case(f"{_P}, 'api-1', '{{}}'"),
    # auth_sessions
    "auth_sessions.insert": _case(
        f"{_P}, 'new', 'RUNTIME', 'PENDING', 'API', NULL, NULL, NULL, NULL, NULL"
    ),
    "auth_sessions.get": _case(f"{_P}, 's20'"),
    "auth_sessions.lock": _case(f"{_P}, 's20'"),
    "auth_sessions.renew": _case(f"{_P}, 's20', 'x', NULL, NULL, NULL"),
    "auth_sessions.pass": _case(f"{_P}, 's20', 0, 'x'"),
    "auth_sessions.save": _case(f"{_P}, 's20', 0, 'x'"),
    "auth_sessions.expire": _case(f"{_P}, 's20', 0"),
    "auth_sessions.forget_unmade": _case(f"{_P}, 's20'"),
    "entries.get": _case(f"{_P}, 'cache', 'k20'"),
    "entries.put": _case(f"{_P}, 'cache', 'k20', '1'"),
}
"""What Workers do by themselves, what every Run needs, and what open pages ask for every two seconds."""

ON_REQUEST = frozenset(
    [
        "auth_sessions.forget",
        "auth_sessions.list",
        "auth_sessions.of_code",
        "deliveries.renew",
        "deliveries.retire_secrets",
        "drift.list",
        "drift.wait_for",
        "drift.watch",
        "items.failed_deliveries",
        "items.results",
        "job_runs.page",
        "job_runs.total",
        "jobs.delete",
        "jobs.insert",
        "jobs.list",
        "jobs.of_code",
        "jobs.resume",
        "jobs.update",
        "platform.add_key",
        "platform.add_workspace",
        "platform.ask_for_examinations",
        "platform.first_workspace",
        "platform.keys",
        "platform.revoke_key",
        "projects.add_deployment",
        "projects.deployments",
        "projects.ensure",
        "projects.list",
        "projects.put_current",
        "retention.count_log_lines_of",
        "retention.due_deployments",
        "retention.due_files",
        "retention.due_job_runs",
        "retention.due_notifications",
        "retention.due_secrets",
        "retention.due_sessions",
        "retention.lock",
        "retention.unlock",
        "retention.wait_for_lock",
        "runs.cancel_pending_of_project",
        "runs.page_of_job_run",
        "variables.renew",
        "variables.set",
        "variables.unset",
        "visits.add_link",
        "visits.begin",
        "visits.end_visit",
        "visits.redeem",
    ]
)
"""Somebody asks for it, once: it may read what it is asked about. (The locks of pruning read nothing.)"""
