-- Says that an instance lives, forgets those that have not said so for a while, counts the rest.
-- KEYS[1]: the instances. ARGV: the id, and after how many seconds one is forgotten.
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])
