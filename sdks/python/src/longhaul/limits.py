"""Every limit and every interval of the SDK, with its default.

All times are seconds. Each default can be changed by the argument named beside it: `Longhaul(...)` means both
`longhaul.Longhaul` and `longhaul.AsyncLonghaul`, `Config` is `longhaul.actions.Config`.
"""

from __future__ import annotations

#: One request, from the connect to the last byte of its answer. `Longhaul(request_timeout=)`,
#: `Config(request_timeout=)`.
REQUEST_TIMEOUT_S = 30.0

#: One call with its retries and its polls, until the server's final answer: ZStack's default for an API call.
#: `Longhaul(call_timeout=)`, `Config(call_timeout=)`.
CALL_TIMEOUT_S = 1800.0

#: `jobs.wait` and `jobs.progress` follow a job so long; the job itself goes on. ZStack's default for the work
#: in a long job. `wait(timeout=)`, `progress(timeout=)`.
JOB_TIMEOUT_S = 259_200.0

#: Longest pause between two polls of a call. `Longhaul(poll_interval=)`, `Config(poll_interval=)`.
POLL_INTERVAL_S = 1.0

#: First pause between two polls or two looks at a job; each further one is half as long again, up to the
#: interval.
POLL_FIRST_S = 0.05

#: Longest pause between two looks at a job that is followed. `wait(interval=)`, `progress(interval=)`.
JOB_INTERVAL_S = 1.0

#: So often a request is sent again after it was lost or the server was not ready. `Longhaul(retries=)`.
RETRIES = 5

#: First pause before a request is sent again; each further one is twice as long.
RETRY_FIRST_S = 0.2

#: Longest pause before a request is sent again.
RETRY_LONGEST_S = 5.0

#: Rows of one page of a query; the server refuses more than 10,000. `query(page_size=)`.
PAGE_SIZE = 100

#: Largest answer that is read, in bytes. A job's result alone may have 16 MiB: ask for smaller pages.
ANSWER_MAX_BYTES = 64 * 1024 * 1024

#: So much of an answer that is no JSON object is quoted in an error, in characters.
QUOTED_MAX = 500
