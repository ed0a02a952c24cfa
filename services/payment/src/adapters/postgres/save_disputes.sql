insert into disputes (tenant_id, dispute_id, payment_id, provider_reference, state, reason, currency,
    amount, withdrawn, reinstated, fee, fee_returned, told_at)
select tenant_id, dispute_id, payment_id, provider_reference, state, reason, currency,
    amount, withdrawn, reinstated, fee, fee_returned, to_timestamp(told_at)
from jsonb_to_recordset($1) as r(
    tenant_id uuid, dispute_id uuid, payment_id uuid, provider_reference text, state text,
    reason text, currency text, amount bigint, withdrawn bigint, reinstated bigint, fee bigint,
    fee_returned bigint, told_at bigint)
on conflict on constraint disputes_pk do update
set state = excluded.state,
    reason = excluded.reason,
    amount = excluded.amount,
    withdrawn = excluded.withdrawn,
    reinstated = excluded.reinstated,
    fee = excluded.fee,
    fee_returned = excluded.fee_returned,
    told_at = excluded.told_at,
    updated_at = now()
