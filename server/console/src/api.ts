// Requests to the server. A token is kept for as long as the tab is open, and sent in a header only.

export type Session = { role: "reader" | "caller" | "operator"; open: boolean; compare: boolean };

const key = "concordat-token";
let token: string | null = read();

function read(): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null; // storage is off: it is kept in memory
  }
}

export function setToken(to: string | null): void {
  token = to;
  try {
    if (to === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, to);
  } catch {
    // storage is off
  }
}

export function headers(): Record<string, string> {
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** An error that the server has answered with, or that nothing answered. */
export class Fault extends Error {
  constructor(readonly code: string, text: string, readonly status: number, readonly failures: string[] = [], readonly field = "") {
    super(text);
  }
}

export type Answer = { status: number; text: string };

/** Sends a request, and returns the answer; throws a Fault if it is an error. */
export async function send(method: string, path: string, body?: string, more: Record<string, string> = {}, signal?: AbortSignal): Promise<Answer> {
  let response: Response;
  const init: RequestInit = { method, headers: { ...headers(), ...more }, redirect: "error", credentials: "same-origin", signal: signal ?? null };
  if (body !== undefined) {
    init.body = body;
    init.headers = { ...(init.headers as Record<string, string>), "Content-Type": "application/json" };
  }
  try {
    response = await fetch(path, init);
  } catch (e) {
    if (e instanceof DOMException && e.name === "AbortError") throw e;
    throw new Fault("unreachable", "The server does not answer.", 0);
  }
  const text = await response.text();
  if (response.ok) return { status: response.status, text };
  throw faultOf(response.status, text);
}

/** An error from the body of an answer: of a plain route, or of a procedure. */
export function faultOf(status: number, text: string): Fault {
  try {
    const body = JSON.parse(text);
    if (body.error) return new Fault(body.error.code, body.error.text, status, body.error.failures, body.error.field);
    if (body.message) {
      const detail = body.details?.[0]?.debug;
      return new Fault(detail?.code ?? body.code, body.message, status, detail?.failures, detail?.field);
    }
  } catch {
    // no JSON
  }
  return new Fault("unknown", `The server answered with status ${status}.`, status);
}

/** Calls a procedure. */
export async function procedure<T>(service: string, name: string, message: unknown, signal?: AbortSignal): Promise<T> {
  const answer = await send("POST", `/concordat.v1.${service}/${name}`, JSON.stringify(message), {}, signal);
  return JSON.parse(answer.text) as T;
}

export async function session(): Promise<Session> {
  return JSON.parse((await send("GET", "/console/api/session")).text) as Session;
}

const ranks = { reader: 1, caller: 2, operator: 3 };

/** Whether a role may do what another may. */
export function may(role: Session["role"], needs: keyof typeof ranks): boolean {
  return ranks[role] >= ranks[needs];
}

/** An id for a request, so that it runs once however often it is sent. */
export function newRequestID(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return "console-" + Array.from(random, (b) => b.toString(16).padStart(2, "0")).join("");
}
