update messaging.retries
set next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond'
where retry_id = any(array(
    select retry_id from messaging.retries
    where queue = any($1) and next_attempt_at <= statement_timestamp()
    order by next_attempt_at limit $3 for update skip locked))
returning retry_id, queue, attempts, headers, body
