-- Why: the list of items goes by the bytes of the SKU, so that pages do not depend on the locale of
-- the database. The primary key is in that locale: each page sorted all items of the tenant.
-- Locks: writes to `items` wait while the index is built: no time for thousands of them, seconds
-- for a million.

create index items_by_sku on items (tenant_id, sku collate "C");
