"""Which history a Redis is on: the id of its replication, which a failover changes.

Two writes of one step that lie in different hash slots cannot be one command. Where the second one
names the history that the first one saw, a failover between them, which may have lost the first
alone, is noticed. About 2 µs a call inside of Redis.
"""


class Refused(Exception):
    """Redis did not take a step, or lacks what it had: it holds another history."""


_READ = """
local info = redis.pcall('INFO', 'replication')
local history = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
"""

TELL_HISTORY = _READ + "return history\n"
"""End of a script: the history; empty where this user may not ask for it."""


def refuse_other_history(argument: int) -> str:
    """Beginning of a script: 0 where `ARGV[argument]` names another history than this one's."""
    wanted = f"ARGV[{argument}]"
    return f"""
if {wanted} ~= '' then
  {_READ}
  if history ~= '' and history ~= {wanted} then return 0 end
end
"""
