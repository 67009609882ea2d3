// A link from another site arrives without the session cookie (SameSite=Strict). Ask from here,
// where the cookie is sent: whoever has a session needs no token again.
const answer = await fetch("/api/v1/status");
if (answer.ok && location.pathname === "/") location.reload();
