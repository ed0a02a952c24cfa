select r.tenant_id, r.start_time, r.type_id, r.n, r.sum, r.sum_of_squares, r.min, r.max, r.users,
       r.sketch
from {table} r
where r.tenant_id = $1 and r.start_time >= $2 and r.start_time < $3 and r.type_id = any ($4)
