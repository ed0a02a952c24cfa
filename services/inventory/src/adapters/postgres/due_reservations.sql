select tenant_id, reservation_id, order_id from reservations
where state = 'held' and expire_at <= statement_timestamp()
order by expire_at limit $1 for update skip locked
