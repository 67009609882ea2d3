"""The Lua scripts that make each step of the notifier's state atomic in Redis.

All keys share one hash slot, so the scripts also run on a Redis Cluster. Lane names are hashes made
by this program, so a script may put keys together from them.
"""

# KEYS: incident, due, open, acknowledged
# ARGV: transition, "firing" | "open" | "closed", now, lanes, body, incident, labels, inbox prefix,
#       time to live, format
FILE = """
local incident, due, open = KEYS[1], KEYS[2], KEYS[3]
local mark = ARGV[10]
if redis.call('HSETNX', incident, 'seen:' .. ARGV[1], mark) == 0 then return 0 end
redis.call('PEXPIRE', incident, ARGV[9])
if ARGV[2] == 'firing' and redis.call('HEXISTS', incident, 'over') == 1 then return 0 end
local lanes = ARGV[4]
local known = redis.call('HGET', incident, 'lanes')
if known then
  lanes = string.sub(known, string.find(known, ' ') + 1)
else
  redis.call('HSET', incident, 'lanes', mark .. ' ' .. lanes)
end
if ARGV[2] == 'closed' then
  redis.call('HSET', incident, 'over', mark)
  redis.call('HDEL', open, ARGV[6])
  redis.call('HDEL', KEYS[4], ARGV[6])
else
  redis.call('HSET', open, ARGV[6], mark .. ' ' .. ARGV[7])
end
local to = cjson.decode(lanes)
local also = redis.call('HGET', incident, 'also')
if also then
  for _, lane in ipairs(cjson.decode(string.sub(also, string.find(also, ' ') + 1))) do
    to[#to + 1] = lane
  end
end
for _, lane in ipairs(to) do
  local id, wait, prompt, address = lane[1], lane[2], lane[3], lane[4]
  redis.call('RPUSH', ARGV[8] .. id, mark .. ' ' .. address .. '\\n' .. ARGV[5])
  redis.call('ZADD', due, prompt == 1 and 'LT' or 'NX', tonumber(ARGV[3]) + wait, id)
end
return 1
"""

# KEYS: incident, due
# ARGV: now, lanes, body or "" for nothing but the lanes, inbox prefix, time to live, format,
#       "firing" | "open" | "closed"
HAND_OVER = """
local mark = ARGV[6]
local over = redis.call('HEXISTS', KEYS[1], 'over') == 1
if over and ARGV[7] == 'firing' then return 0 end
local also, known = {}, {}
local stored = redis.call('HGET', KEYS[1], 'also')
if stored then also = cjson.decode(string.sub(stored, string.find(stored, ' ') + 1)) end
for _, lane in ipairs(also) do known[lane[1]] = true end
for _, lane in ipairs(cjson.decode(ARGV[2])) do
  local id, wait, address = lane[1], lane[2], lane[4]
  if not known[id] then also[#also + 1] = lane end
  if ARGV[3] ~= '' then
    redis.call('RPUSH', ARGV[4] .. id, mark .. ' ' .. address .. '\\n' .. ARGV[3])
    redis.call('ZADD', KEYS[2], 'LT', tonumber(ARGV[1]) + wait, id)
  end
end
redis.call('HSET', KEYS[1], 'also', mark .. ' ' .. cjson.encode(also))
if not over then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return 1
"""

# KEYS: due, whole          ARGV: now, token, time to live, limit, lease prefix
CLAIM = """
if redis.call('EXISTS', KEYS[2]) == 0 then return {} end
local now, ttl = tonumber(ARGV[1]), tonumber(ARGV[3])
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[4])) do
  local lease = ARGV[5] .. id
  if redis.call('SET', lease, ARGV[2], 'NX', 'PX', ttl) then
    claimed[#claimed + 1] = id
    redis.call('ZADD', KEYS[1], now + ttl, id)
  else
    redis.call('ZADD', KEYS[1], now + math.max(redis.call('PTTL', lease), 1), id)
  end
end
return claimed
"""

# KEYS: lease, state, inbox, due
# ARGV: token, lane id, state, used, due or "", due if more, keep for or "", time to live
SAVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[8])
redis.call('LTRIM', KEYS[3], ARGV[4], -1)
if ARGV[7] == '' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[7]) end
local at = ARGV[5]
if redis.call('LLEN', KEYS[3]) > 0 then at = ARGV[6] end
if at == '' then
  redis.call('ZREM', KEYS[4], ARGV[2])
else
  redis.call('ZADD', KEYS[4], at, ARGV[2])
end
return 1
"""

# KEYS: lease, state, inbox, due          ARGV: token, lane id
DROP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[4], ARGV[2])
return 1
"""

# KEYS: positions          ARGV: format, "back" or "", then pairs of partition and offset
MOVE = """
for i = 3, #ARGV, 2 do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  local before = stored and tonumber(string.sub(stored, string.find(stored, ' ') + 1)) or 0
  if ARGV[2] == 'back' or tonumber(ARGV[i + 1]) >= before then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[1] .. ' ' .. ARGV[i + 1])
  end
end
return 1
"""

# KEYS: whole, restored, positions          ARGV: mark
BEGIN_ANEW = """
if redis.call('EXISTS', KEYS[1]) == 0 and redis.call('SET', KEYS[2], ARGV[1], 'NX') then
  redis.call('DEL', KEYS[3])
end
return 1
"""

# KEYS: whole, restored
MAKE_WHOLE = """
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[1]) end
return redis.call('EXISTS', KEYS[1])
"""
