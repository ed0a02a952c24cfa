-- Every condition is one on the index, so a page reads what it shows. A SKU has at most 64 bytes, so
-- 17 times the last character, of 4 bytes each, is behind whatever may follow the prefix. The first
-- page begins after the empty text: row-level security keeps conditions off an index that it cannot
-- see to be harmless, and a coalesce is one.
select sku, name, price_minor, currency, weight_grams, active, on_hand, reserved, created_at,
    updated_at
from items
where tenant_id = $1
    and sku collate "C" >= $2
    and sku collate "C" < $2 || repeat(chr(1114111), 17)
    and sku collate "C" > $3
order by sku collate "C"
limit $4
