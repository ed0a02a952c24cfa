select tenant_id, shipment_id, order_id, state, version, due_at, document, created_at, updated_at
from shipments where due_at <= now()
order by due_at limit $1
for update skip locked
