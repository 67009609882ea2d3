// Asks the server. A session that has ended shows the login: the page at / is then the login.

export async function get(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) query.append(name, one);
    }
  }
  const answer = await fetch(`/api/v1/${path}?${query}`);
  if (answer.status === 401) location.reload();
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error ?? `the server answered ${answer.status}`);
  return body;
}

/** Events as they happen; tells when the connection is lost and when it is back. */
export function listen({ onWindow, onIncident, onReset, onLost, onBack }) {
  let source;
  let lost = false;
  const open = () => {
    source = new EventSource("/api/v1/events");
    source.onopen = () => {
      if (lost) onBack();
      lost = false;
    };
    source.onerror = () => {
      lost = true;
      onLost();
      // The browser tries again by itself, but not after an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, 3000);
    };
    source.addEventListener("window", (event) => onWindow(JSON.parse(event.data)));
    source.addEventListener("incident", (event) => onIncident(JSON.parse(event.data)));
    source.addEventListener("reset", onReset);
  };
  open();
}
