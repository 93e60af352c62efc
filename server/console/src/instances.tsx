// Instances: find them, see their state, and call what the program has.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Fault, may, newRequestID, procedure, send, type Session } from "./api";
import { Form, type Schema, zero } from "./form";
import { plural, visible } from "./format";
import { pretty } from "./json";
import type { Coordinator, Description, FunctionType, Operation } from "./types";
import { arrows, Ask, Empty, Instance, Loading, Problem, type Question, Term } from "./ui";

type Found = { id: string; json?: string; error?: { text?: string } };
type Page = { instances?: Found[]; next?: string };

const pageSize = 50;

/** argument is TYPE, TYPE/ID, or run/FUNCTION, each part encoded. */
export function InstancesView({ argument, session }: { argument: string; session: Session }) {
  const [description, setDescription] = useState<Description>();
  const [fault, setFault] = useState<Fault>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setFault(undefined);
    procedure<Description>("ConcordatService", "Describe", {}, stop.signal).then(setDescription, (e) => { if (e instanceof Fault) setFault(e); });
    return () => stop.abort();
  }, [round]);
  if (fault) return <Problem fault={fault} again={() => setRound(round + 1)} />;
  if (!description) return <Loading what="Asking which functions there are" />;
  const types = description.types ?? [];
  const coordinators = description.coordinators ?? [];
  if (types.length + coordinators.length === 0) return <Empty title="This program has no functions">There is nothing to find and nothing to call.</Empty>;
  const [first, second] = splitArgument(argument);
  const run = coordinators.find((c) => first === "run" && c.name === second);
  const type = types.find((t) => t.name === first && !run) ?? (run ? undefined : types[0]);
  return (
    <div class="columns">
      <section class="card side" aria-label="Find">
        <h2>Find</h2>
        <label>
          What
          <select value={run ? `run/${run.name}` : `type/${type?.name}`} onChange={(e) => {
            const [kind, name] = cutAt(e.currentTarget.value);
            location.hash = kind === "run" ? `#/instances/run/${encodeURIComponent(name)}` : `#/instances/${encodeURIComponent(name)}`;
          }}>
            {types.length > 0 && <optgroup label="Instances of a type">{types.map((t) => <option key={t.name} value={`type/${t.name}`}>{visible(t.name)}</option>)}</optgroup>}
            {coordinators.length > 0 && <optgroup label="Run a coordinator function">{coordinators.map((c) => <option key={c.name} value={`run/${c.name}`}>{visible(c.name)}</option>)}</optgroup>}
          </select>
        </label>
        {type && <Search key={type.name} type={type} chosen={run ? "" : second ?? ""} />}
        {run && <p class="faint">A <Term of={run.protocol === "saga" ? "saga" : "serializable"}>{run.protocol === "saga" ? "saga" : "serializable transaction"}</Term> over several instances.</p>}
      </section>
      <section class="grow" aria-label="The instance">
        {run ? <RunCard key={run.name} coordinator={run} session={session} />
          : type && second !== undefined ? <One key={`${type.name}\n${second}`} type={type} id={second} session={session} />
          : <Empty title="Choose an instance">Its state is shown here, with the operations that it has.</Empty>}
      </section>
    </div>
  );
}

function cutAt(text: string): [string, string] {
  const at = text.indexOf("/");
  return [text.slice(0, at), text.slice(at + 1)];
}

function splitArgument(argument: string): [string, string | undefined] {
  const at = argument.indexOf("/");
  const [first, second] = at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)];
  return [decode(first), second === undefined ? undefined : decode(second)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function Search({ type, chosen }: { type: FunctionType; chosen: string }) {
  const [prefix, setPrefix] = useState("");
  const [list, setList] = useState<Found[]>();
  const [next, setNext] = useState("");
  const [fault, setFault] = useState<Fault>();
  const [round, setRound] = useState(0);
  const [exact, setExact] = useState("");
  const prefixNow = useRef(prefix);
  prefixNow.current = prefix;
  const ask = (from: string, signal?: AbortSignal) =>
    procedure<Page>("ConcordatService", "ListInstances", { type: type.name, prefix, from, limit: pageSize }, signal);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      ask("", stop.signal).then((page) => {
        setList(page.instances ?? []);
        setNext(page.next ?? "");
        setFault(undefined);
      }, (e) => { if (e instanceof Fault) setFault(e); });
    }, list ? 200 : 0);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [prefix, round]);
  const more = async () => {
    const asked = prefix;
    try {
      const page = await ask(next);
      if (prefixNow.current !== asked) return;
      setList([...(list ?? []), ...(page.instances ?? [])]);
      setNext(page.next ?? "");
    } catch (e) {
      setFault(e as Fault);
    }
  };
  const open = (id: string) => { location.hash = `#/instances/${encodeURIComponent(type.name)}/${encodeURIComponent(id)}`; };
  return (
    <>
      <label>
        Ids that begin with
        <span class="together">
          <input type="search" value={prefix} spellcheck={false} autocomplete="off" onInput={(e) => setPrefix(e.currentTarget.value)} />
          <button type="button" onClick={() => setRound(round + 1)} aria-label="Look again">↻</button>
        </span>
      </label>
      {fault ? <Problem fault={fault} again={() => setRound(round + 1)} /> : !list ? <Loading what="Looking" /> : (
        <>
          {list.length === 0 && <Empty title="No instance">{prefix ? "No id begins with this." : "There is none of this type yet. An operation that creates one makes it."}</Empty>}
          <div class="rows" onKeyDown={arrows}>
            {list.map((i) => (
              <button type="button" class="row" key={i.id} aria-pressed={i.id === chosen} onClick={() => open(i.id)}>
                <span class="id">{visible(i.id, 60) || "(empty)"}</span>
                <span class="faint">{i.error ? visible(i.error.text ?? "", 60) : visible(i.json ?? "", 60)}</span>
              </button>
            ))}
          </div>
          {next && <button type="button" onClick={more}>Show more</button>}
          <p class="faint">{plural(list.length, "instance")}{next ? " so far" : ""}, as of when they were looked for.</p>
        </>
      )}
      <form class="exact" onSubmit={(e) => { e.preventDefault(); if (exact) open(exact); }}>
        <label>
          Or go to an id, also one that is not there yet
          <span class="together"><input type="text" value={exact} spellcheck={false} autocomplete="off" onInput={(e) => setExact(e.currentTarget.value)} /><button type="submit" disabled={!exact}>Go</button></span>
        </label>
      </form>
    </>
  );
}

type State = { json?: string; error?: string; there: boolean };

function One({ type, id, session }: { type: FunctionType; id: string; session: Session }) {
  const [state, setState] = useState<State>();
  const [fault, setFault] = useState<Fault>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    procedure<Page>("ConcordatService", "ListInstances", { type: type.name, from: id, prefix: id, limit: 1 }, stop.signal).then((page) => {
      const found = page.instances?.[0];
      setFault(undefined);
      setState(found?.id === id ? { there: true, ...(found.json !== undefined && { json: found.json }), ...(found.error && { error: found.error.text ?? "" }) } : { there: false });
    }, (e) => { if (e instanceof Fault) setFault(e); });
    return () => stop.abort();
  }, [round]);
  const operations = (type.operations ?? []).filter((o) => !o.name.startsWith("concordat."));
  return (
    <div class="card">
      <h2><Instance of={{ type: type.name, id }} link={false} /></h2>
      {fault ? <Problem fault={fault} again={() => setRound(round + 1)} /> : !state ? <Loading what="Reading its state" /> : (
        <>
          <div class="together between">
            <h3>State</h3>
            <button type="button" onClick={() => setRound(round + 1)}>Look again</button>
          </div>
          {!state.there ? <Empty title="It is not there">No such instance. An operation that creates or upserts makes it.</Empty>
            : state.error !== undefined ? <div class="problem">{visible(state.error)}</div>
            : <Json text={state.json ?? ""} />}
        </>
      )}
      <h3>Operations</h3>
      {operations.length === 0 && <p class="faint">This type has none.</p>}
      {operations.map((o) => <Call key={o.name} of={{ type: type.name, id }} operation={o} session={session} done={() => setRound(round + 1)} />)}
    </div>
  );
}

function Json({ text }: { text: string }) {
  return <pre class="json" tabIndex={0}>{pretty(text).map((t, i) => <span key={i} class={t.kind}>{t.kind === "sign" ? t.text : visible(t.text, 20_000)}</span>)}</pre>;
}

const kinds: Record<string, string> = { view: "reads", update: "changes", create: "creates", upsert: "creates or changes", delete: "deletes" };

function path(parts: string[]): string {
  return parts.map((p) => p.split("/").map(encodeURIComponent).join("/")).join("/");
}

function Call({ of, operation: o, session, done }: { of: { type: string; id: string }; operation: Operation; session: Session; done: () => void }) {
  const reads = o.kind === "view";
  const where = `/v1/${reads ? "ask" : "call"}/${path([of.type])}/${encodeURIComponent(o.name)}?id=${encodeURIComponent(of.id)}`;
  return (
    <details class="call">
      <summary><strong>{visible(o.name)}</strong> <span class={`tag ${o.kind === "delete" ? "bad" : reads ? "" : "warn"}`}>{kinds[o.kind] ?? o.kind}</span></summary>
      <Sender
        schema={o.argument?.schema} what={`${o.name} on ${of.id}`} allowed={may(session.role, reads ? "reader" : "caller")} button={reads ? "Ask" : "Call"} dangerous={o.kind === "delete"}
        run={async (json, key) => {
          const answer = await send("POST", where, json, reads ? {} : { "Idempotency-Key": key });
          if (!reads) done();
          return answer.text;
        }}
      />
    </details>
  );
}

function RunCard({ coordinator: c, session }: { coordinator: Coordinator; session: Session }) {
  return (
    <div class="card">
      <h2>{visible(c.name)} <span class="tag">{c.protocol}</span></h2>
      <Sender
        schema={c.input?.schema} what={c.name} allowed={may(session.role, "caller")} button="Run" dangerous={false}
        run={async (json, key) => (await send("POST", `/v1/run/${path([c.name])}`, json, { "Idempotency-Key": key })).text}
      />
    </div>
  );
}

/** A form with its button and the answer. One that is sent again after no answer has come is sent under the same id, so that it runs once. */
function Sender({ schema, what, allowed, button, dangerous, run }: {
  schema: string | undefined; what: string; allowed: boolean; button: string; dangerous: boolean; run: (json: string | undefined, key: string) => Promise<string>;
}) {
  const parsed = useMemo(() => (schema === undefined ? undefined : (JSON.parse(schema) as Schema)), [schema]);
  const [json, setJSON] = useState(() => (parsed ? zero(parsed, parsed) : undefined));
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<string>();
  const [fault, setFault] = useState<Fault>();
  const [question, setQuestion] = useState<Question>();
  const key = useRef<{ key: string; json: string | undefined } | undefined>(undefined);
  const submit = async () => {
    setBusy(true);
    setAnswer(undefined);
    setFault(undefined);
    if (!key.current || key.current.json !== json) key.current = { key: newRequestID(), json };
    try {
      setAnswer(await run(json, key.current.key));
      key.current = undefined;
    } catch (e) {
      const f = e as Fault;
      setFault(f);
      if (f.code !== "unknown" && f.code !== "unreachable") key.current = undefined;
    }
    setBusy(false);
  };
  const begin = (e: Event) => {
    e.preventDefault();
    if (!dangerous) return void submit();
    setQuestion({ title: `${button} ${visible(what, 80)}?`, yes: button, danger: true, body: <p>The instance and its state will be gone. This cannot be taken back.</p>, run: submit });
  };
  return (
    <form class="sender" onSubmit={begin}>
      {parsed && <Form schema={parsed} text={json ?? ""} change={(text, is) => { setJSON(text); setWrong(is); }} field={fault?.field ?? ""} />}
      <div class="buttons left">
        <button type="submit" class={dangerous ? "danger" : "primary"} disabled={busy || !allowed || wrong !== ""}>{busy ? "Waiting…" : dangerous ? `${button}…` : button}</button>
        {!allowed && <span class="faint">Your role may only read.</span>}
      </div>
      {answer !== undefined && <div class="answer" role="status"><span class="tag good">done</span> {answer === "" ? <span class="faint">It has no result.</span> : <Json text={answer} />}</div>}
      {fault && <Problem fault={fault} />}
      {question && <Ask question={question} close={() => setQuestion(undefined)} />}
    </form>
  );
}
