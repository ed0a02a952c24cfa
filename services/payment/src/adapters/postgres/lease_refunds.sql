with due as materialized (
    select tenant_id, refund_id from refunds
    where next_attempt_at <= statement_timestamp()
    order by next_attempt_at limit $2 for update skip locked)
update refunds r
set next_attempt_at = clock_timestamp() + $1 * interval '1 millisecond'
from due where r.tenant_id = due.tenant_id and r.refund_id = due.refund_id
returning r.tenant_id, r.payment_id, r.refund_id
