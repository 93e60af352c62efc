// The stream of events from the server: one for each page, with what the open view shows. It connects again by itself.
import { Fault, faultOf, headers } from "./api";

export type Status = "connecting" | "live" | "lost";
export type Update = (view: string, data: unknown) => void;

const silence = 12_000; // the server says something every 5 s
const firstWait = 500;
const longestWait = 5_000;

/** Reads the views until the returned function is called. */
export function follow(views: string[], update: Update, status: (s: Status, why?: Fault) => void): () => void {
  let stopped = false;
  let wait = firstWait;
  let waiting = false; // to connect again
  let controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function connect(): Promise<void> {
    if (stopped) return;
    waiting = false;
    controller = new AbortController();
    const { signal } = controller;
    const guard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), silence);
    };
    let why: Fault | undefined;
    try {
      guard();
      const response = await fetch(`/console/api/live?views=${views.join(",")}`, { headers: headers(), signal, redirect: "error" });
      if (!response.ok || !response.body) throw faultOf(response.status, await response.text());
      status("live");
      wait = firstWait;
      await read(response.body, guard, update);
    } catch (e) {
      if (e instanceof Fault) why = e;
    }
    clearTimeout(timer);
    if (stopped) return;
    status("lost", why);
    if (why?.status === 401 || why?.status === 403) return; // trying again would change nothing
    waiting = true;
    timer = setTimeout(connect, wait);
    wait = Math.min(wait * 2, longestWait);
  }

  const soon = () => {
    if (!waiting) return;
    clearTimeout(timer);
    void connect();
  };
  window.addEventListener("online", soon);
  status("connecting");
  void connect();
  return () => {
    stopped = true;
    window.removeEventListener("online", soon);
    clearTimeout(timer);
    controller.abort();
  };
}

/** Reads events until the stream ends. */
async function read(body: ReadableStream<Uint8Array>, heard: () => void, update: Update): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    rest += decoder.decode(value, { stream: true });
    const events = rest.split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      let view = "";
      let data = "";
      for (const line of event.split("\n")) {
        if (line.startsWith("event: ")) view = line.slice(7);
        if (line.startsWith("data: ")) data = line.slice(6);
      }
      if (view) update(view, JSON.parse(data));
    }
  }
}
