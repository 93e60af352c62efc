// Parts that all views are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Fault } from "./api";
import { visible } from "./format";
import { terms } from "./terms";
import type { Address } from "./types";

/** A word with its meaning, for who points at it or comes to it with the keyboard. */
export function Term({ of, children }: { of: keyof typeof terms & string; children?: ComponentChildren }) {
  const text = terms[of] ?? "";
  const show = (e: Event) => showHint(e.currentTarget as HTMLElement, text);
  return (
    <span class="term" tabIndex={0} role="note" aria-label={`${of}: ${text}`} onMouseEnter={show} onFocus={show} onMouseLeave={hideHint} onBlur={hideHint}>
      {children ?? of}
    </span>
  );
}

let hint: HTMLElement | undefined;

function showHint(at: HTMLElement, text: string): void {
  hint ??= document.body.appendChild(Object.assign(document.createElement("div"), { className: "hint" }));
  hint.textContent = text;
  hint.hidden = false;
  const box = at.getBoundingClientRect();
  const width = Math.min(300, innerWidth - 16);
  hint.style.width = `${width}px`;
  hint.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  const below = box.bottom + 6;
  hint.style.top = `${below + hint.offsetHeight > innerHeight ? Math.max(8, box.top - hint.offsetHeight - 6) : below}px`;
}

export function hideHint(): void {
  if (hint) hint.hidden = true;
}

/** An instance: its type and id, which may be any text. */
export function Instance({ of, link = true }: { of: Address; link?: boolean }) {
  const shown = (
    <>
      <span class="faint">{visible(of.type, 60)}</span> <span class="id">{visible(of.id, 80) || "(empty)"}</span>
    </>
  );
  return link ? <a href={`#/instances/${encodeURIComponent(of.type)}/${encodeURIComponent(of.id)}`}>{shown}</a> : <span>{shown}</span>;
}

/** Who makes a call: a transaction by its number, or a plain call. */
export function Owner({ number, attempt }: { number: string; attempt: number }) {
  if (attempt === 0) return <Term of="plain call">call {number}</Term>;
  return (
    <a class="number" href={`#/transactions/${number}`}>
      #{number}
      {attempt > 1 && <span class="tag warn"> attempt {attempt}</span>}
    </a>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div class="state" role="status">
      <span class="spinner" aria-hidden="true" /> {what}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="state empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

const advice: Record<string, string> = {
  unknown: "Whether it happened is not known. Sent again under the same request id it runs at most once.",
  overloaded: "Nothing happened. Try again in a moment.",
  invalid: "Nothing happened: what was sent is not valid.",
  failure: "Nothing happened, or all was undone.",
  forbidden: "Nothing happened: your role does not allow it.",
  unauthenticated: "The token is not valid, or has expired.",
  unreachable: "Whether it happened is not known, if it was on its way.",
  not_found: "There is no such thing, or not any more.",
};

/** An error, for people. */
export function Problem({ fault, again }: { fault: Fault; again?: () => void }) {
  return (
    <div class="problem" role="alert">
      <strong>{visible(fault.message, 600)}</strong>
      {fault.field && <div>Field: <code>{visible(fault.field)}</code></div>}
      {fault.failures.length > 0 && <div class="faint">Failure: {fault.failures.map((f) => visible(f)).join(", ")}</div>}
      {advice[fault.code] && <div class="faint">{advice[fault.code]}</div>}
      {again && <button type="button" onClick={again}>Try again</button>}
    </div>
  );
}

export type Question = { title: string; body: ComponentChildren; yes: string; danger?: boolean; run: () => Promise<void> };

/** Asks before something is done, shows that it is being done, and what came of it if that is an error. */
export function Ask({ question, close }: { question: Question; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault>();
  useEffect(() => {
    const d = dialog.current;
    d?.showModal();
    return () => d?.close();
  }, []);
  const run = async () => {
    setBusy(true);
    setFault(undefined);
    try {
      await question.run();
      close();
    } catch (e) {
      setFault(e as Fault);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} onCancel={(e) => { e.preventDefault(); if (!busy) close(); }} aria-labelledby="question">
      <h2 id="question">{question.title}</h2>
      <div class="body">{question.body}</div>
      {fault && <Problem fault={fault} />}
      <div class="buttons">
        <button type="button" onClick={close} disabled={busy} autofocus>Cancel</button>
        <button type="button" class={question.danger ? "danger" : "primary"} onClick={run} disabled={busy}>{busy ? "Working…" : question.yes}</button>
      </div>
    </dialog>
  );
}

/** A small line of the last values. */
export function Spark({ values, label }: { values: number[]; label: string }) {
  const width = 160;
  const height = 34;
  const top = Math.max(...values, 1e-9);
  const step = width / Math.max(values.length - 1, 1);
  const points = values.map((v, i) => `${(i * step).toFixed(1)},${(height - 2 - (Math.max(v, 0) / top) * (height - 5)).toFixed(1)}`);
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} preserveAspectRatio="none">
      {values.length > 1 && (
        <>
          <polygon points={`0,${height} ${points.join(" ")} ${width},${height}`} />
          <polyline points={points.join(" ")} />
        </>
      )}
    </svg>
  );
}

/** A number that stands out. */
export function Tile({ title, value, note, values, tone }: {
  title: ComponentChildren; value: string; note?: ComponentChildren; values?: number[]; tone?: "bad" | "warn" | undefined;
}) {
  return (
    <div class={`tile ${tone ?? ""}`}>
      <h3>{title}</h3>
      <div class="value">{value}</div>
      {note !== undefined && <div class="faint note">{note}</div>}
      {values && <Spark values={values} label={`the last ${values.length} values`} />}
    </div>
  );
}

/** The last values of something that comes with each update, oldest first. */
export function useHistory<T>(value: T | undefined, most = 120): T[] {
  const [list, setList] = useState<T[]>([]);
  useEffect(() => {
    if (value !== undefined) setList((old) => [...old.slice(-(most - 1)), value]);
  }, [value]);
  return list;
}

/** Whether the window is narrow. */
export function useWidth(): number {
  const [width, setWidth] = useState(innerWidth);
  useEffect(() => {
    const changed = () => setWidth(innerWidth);
    addEventListener("resize", changed);
    return () => removeEventListener("resize", changed);
  }, []);
  return width;
}

/** Moves the focus among the buttons of a list with the arrow keys. */
export function arrows(e: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!step) return;
  const all = [...(e.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("button.row")];
  const at = all.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  e.preventDefault();
  all[Math.max(0, Math.min(all.length - 1, at + step))]?.focus();
}
