with due as materialized (
    select tenant_id, payment_id from payments
    where next_attempt_at <= statement_timestamp()
    order by next_attempt_at limit $2 for update skip locked)
update payments p
set next_attempt_at = clock_timestamp() + $1 * interval '1 millisecond'
from due where p.tenant_id = due.tenant_id and p.payment_id = due.payment_id
returning p.tenant_id, p.payment_id
