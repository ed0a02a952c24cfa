insert into refunds (tenant_id, refund_id, payment_id, state, amount, origin, note, failure_reason,
    provider_reference, cause, traceparent, attempts, next_attempt_at)
select tenant_id, refund_id, payment_id, state, amount, origin, note, failure_reason,
    provider_reference, cause, traceparent, attempts,
    clock_timestamp() + next_ms * interval '1 millisecond'
from jsonb_to_recordset($1) as r(
    tenant_id uuid, refund_id uuid, payment_id uuid, state text, amount bigint, origin text,
    note text, failure_reason text, provider_reference text, cause uuid, traceparent text,
    attempts integer, next_ms bigint)
on conflict on constraint refunds_pk do update
set state = excluded.state,
    failure_reason = excluded.failure_reason,
    provider_reference = excluded.provider_reference,
    attempts = excluded.attempts,
    -- A wait that lies in the past means: as it was planned.
    next_attempt_at = case
        when excluded.next_attempt_at < clock_timestamp() then refunds.next_attempt_at
        else excluded.next_attempt_at
    end,
    updated_at = now()
