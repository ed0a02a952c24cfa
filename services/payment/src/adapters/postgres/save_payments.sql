insert into payments (tenant_id, payment_id, order_id, state, currency, amount, capture_amount,
    captured, refunded, void_requested, fully_refunded, decline_reason, payment_method,
    provider_reference,
    authorize_cause, capture_cause, void_cause, traceparent, attempts, disputes, next_attempt_at)
select tenant_id, payment_id, order_id, state, currency, amount, capture_amount,
    captured, refunded, void_requested, fully_refunded, decline_reason, payment_method,
    provider_reference,
    authorize_cause, capture_cause, void_cause, traceparent, attempts, disputes,
    clock_timestamp() + next_ms * interval '1 millisecond'
from jsonb_to_recordset($1) as r(
    tenant_id uuid, payment_id uuid, order_id uuid, state text, currency text, amount bigint,
    capture_amount bigint, captured bigint, refunded bigint, void_requested boolean,
    fully_refunded boolean, decline_reason text, payment_method text, provider_reference text,
    authorize_cause uuid,
    capture_cause uuid, void_cause uuid, traceparent text, attempts integer, disputes integer,
    next_ms bigint)
on conflict on constraint payments_pk do update
set state = excluded.state,
    -- Only what was not known before ever changes.
    currency = excluded.currency,
    amount = excluded.amount,
    capture_amount = excluded.capture_amount,
    captured = excluded.captured,
    refunded = excluded.refunded,
    void_requested = excluded.void_requested,
    fully_refunded = excluded.fully_refunded,
    decline_reason = excluded.decline_reason,
    payment_method = excluded.payment_method,
    provider_reference = excluded.provider_reference,
    authorize_cause = excluded.authorize_cause,
    capture_cause = excluded.capture_cause,
    void_cause = excluded.void_cause,
    traceparent = excluded.traceparent,
    attempts = excluded.attempts,
    disputes = excluded.disputes,
    -- A wait that lies in the past means: as it was planned.
    next_attempt_at = case
        when excluded.next_attempt_at < clock_timestamp() then payments.next_attempt_at
        else excluded.next_attempt_at
    end,
    updated_at = now()
