"""The Lua of kept predictions: pages of one bucket, grown one at a time (linear hashing).

A bucket holds the rows of one shard of ids and one stretch of event time:

    BASE      hash: `pages`, `rows`, and what shapes and segments are named by the rows
    BASE:n    hash, a page: digest of an id -> row. A page holds at most a few hundred rows, so
              that Redis packs it tightly (a listpack: 4 bytes a row beside the row itself)
    BASE:+    sorted set: digest and row, of ids that have more than one row
    BASE:#    hash: name of a shape -> bytes that its rows take, Redis' own cost included

With p pages, 2^k <= p < 2^(k+1), an id of hash h lies on page h mod 2^(k+1), or where there is no
such page yet, on h mod 2^k. When pages fill up one more is made, which takes over half of one: no
step ever moves more than that.

Source: W. Litwin, "Linear hashing: a new tool for file and table addressing", 1980.
"""

from pipeline.labels.shape import ID_BYTES, NAME_BYTES
from pipeline.state.history import TELL_HISTORY

FILL = 96
"""Rows a page, on average: fewer cost memory for the page itself, more cost time to search."""

PACKED_MOST = 64
"""A longer row makes its page a table, which costs more a row (`hash-max-listpack-value`)."""

ROW_COST, TABLE_COST, SORTED_COST = 10, 56, 85
"""What Redis adds to the bytes of a digest and a row, each within a tenth of `MEMORY USAGE`: on a
packed page, on one that is a table, in the sorted set."""

_PLACES = f"""
local base = KEYS[1]
local ID = {ID_BYTES}
local byte, sub, call = string.byte, string.sub, redis.call
local function half_of(pages)
  local half = 1
  while half * 2 <= pages do half = half * 2 end
  return half
end
local function place(id, pages, half)
  local a, b, c = byte(id, 1, 3)
  local hash = a + b * 256 + c * 65536
  local page = hash % (half * 2)
  if page >= pages then page = page - half end
  return page
end
"""

# KEYS: base. ARGV: milliseconds to live, number of names, then name, text ...; then length of a
# row, rows (each behind the digest of its id) ...
KEEP = f"""
{_PLACES}
local ttl = ARGV[1]
local held = call('HMGET', base, 'pages', 'rows')
local pages, rows = tonumber(held[1] or 1), tonumber(held[2] or 0)
local half = half_of(pages)
local first = 3 + 2 * tonumber(ARGV[2])
for n = 3, first - 1, 2 do call('HSETNX', base, ARGV[n], ARGV[n + 1]) end

local taken = {{}}
local function count(row, cost)
  local name = sub(row, 2, {1 + NAME_BYTES})
  taken[name] = (taken[name] or 0) + ID + #row + cost
end

local function split()
  local from, to = pages - half, pages
  pages = pages + 1
  if half * 2 <= pages then half = half * 2 end
  local old, new = base .. ':' .. from, base .. ':' .. to
  local all = call('HGETALL', old)
  local moved, gone = {{}}, {{}}
  for n = 1, #all, 2 do
    if place(all[n], pages, half) == to then
      gone[#gone + 1] = all[n]
      moved[#moved + 1] = all[n]
      moved[#moved + 1] = all[n + 1]
    end
  end
  if #gone > 0 then
    call('HSET', new, unpack(moved))
    call('HDEL', old, unpack(gone))
    call('PEXPIRE', new, ttl)
  end
end

for n = first, #ARGV, 2 do
  local length, blob = tonumber(ARGV[n]), ARGV[n + 1]
  for at = 1, #blob, ID + length do
    local id = sub(blob, at, at + ID - 1)
    local row = sub(blob, at + ID, at + ID + length - 1)
    local page = base .. ':' .. place(id, pages, half)
    if call('HSETNX', page, id, row) == 1 then
      rows = rows + 1
      count(row, length > {PACKED_MOST} and {TABLE_COST} or {ROW_COST})
      if rows > pages * {FILL} then split() end
    elseif call('HGET', page, id) ~= row then
      if call('ZADD', base .. ':+', 0, id .. row) == 1 then count(row, {SORTED_COST}) end
      call('PEXPIRE', base .. ':+', ttl)
    end
  end
end
if not held[1] then call('PEXPIRE', base .. ':0', ttl) end
call('HSET', base, 'pages', pages, 'rows', rows)
call('PEXPIRE', base, ttl)
if next(taken) then
  for name, bytes in pairs(taken) do call('HINCRBY', base .. ':#', name, bytes) end
  call('PEXPIRE', base .. ':#', ttl)
end
{TELL_HISTORY}"""

# KEYS: the bases of buckets. ARGV: for each the digests of the ids that are looked for.
# Answer: (length of a row, rows) ..., each row behind its place: which key, which id of it.
FIND = f"""
{_PLACES}
local found, several = {{}}, {{}}
local function add(key, n, row)
  local rows = found[#row]
  if not rows then
    rows = {{}}
    found[#row] = rows
  end
  rows[#rows + 1] = struct.pack('<I2I4', key, n)
  rows[#rows + 1] = row
end
for key = 1, #KEYS do
  base = KEYS[key]
  local pages = tonumber(call('HGET', base, 'pages') or 0)
  local more = call('EXISTS', base .. ':+') == 1
  local half = half_of(pages)
  local ids = ARGV[key]
  if pages > 0 then
    local n = 0
    for at = 1, #ids, ID do
      local id = sub(ids, at, at + ID - 1)
      local row = call('HGET', base .. ':' .. place(id, pages, half), id)
      if row then
        add(key - 1, n, row)
        if more then
          local others = call('ZRANGEBYLEX', base .. ':+', '[' .. id, '[' .. id .. '\\255')
          for _, other in ipairs(others) do add(key - 1, n, sub(other, ID + 1)) end
        end
      end
      n = n + 1
    end
  end
end
local answer = {{}}
for length, rows in pairs(found) do
  answer[#answer + 1] = length
  answer[#answer + 1] = table.concat(rows)
end
return answer
"""

# KEYS: base. ARGV: at most so many pages. Answer: whether all are gone.
DROP = """
local pages = tonumber(redis.call('HGET', KEYS[1], 'pages') or 0)
local last = math.max(0, pages - tonumber(ARGV[1]))
for page = last, pages - 1 do redis.call('UNLINK', KEYS[1] .. ':' .. page) end
if last > 0 then
  redis.call('HSET', KEYS[1], 'pages', last)
  return 0
end
redis.call('UNLINK', KEYS[1], KEYS[1] .. ':+', KEYS[1] .. ':#')
return 1
"""
