update webhook_endpoints
set url = coalesce($3, url),
    types = coalesce($4, types),
    description = coalesce($5, description),
    enabled = coalesce($6, enabled),
    enabled_at = case when $6 and not enabled then clock_timestamp() else enabled_at end,
    -- What failed at another URL says nothing of this one.
    failing_since = case
        when $6 and not enabled or $3 <> url then null
        else failing_since end,
    disabled_reason = case
        when $6 then null
        when not $6 and enabled then 'asked'
        else disabled_reason end,
    disabled_at = case
        when $6 then null
        when not $6 and enabled then clock_timestamp()
        else disabled_at end
where tenant_id = $1 and endpoint_id = $2
