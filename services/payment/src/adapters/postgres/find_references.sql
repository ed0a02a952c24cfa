select provider_reference, tenant_id, payment_id from payments
where provider_reference = any($1::text[])
