import { Fragment, render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Fault, type Session, session as askSession, setToken } from "./api";
import { CompareView } from "./compare";
import { EpochsView } from "./epochs";
import { GraphView } from "./graph";
import { InstancesView } from "./instances";
import { follow, type Status } from "./live";
import { LocksView } from "./locks";
import { MetricsView } from "./metrics";
import { SagasView } from "./sagas";
import { TransactionsView } from "./transactions";
import type { Comparison, Deadlocks, Epochs, Graph, Locks, Metrics, Sagas, Transactions } from "./types";
import { hideHint, Loading, Problem } from "./ui";

type ViewName = "graph" | "transactions" | "sagas" | "compare" | "instances" | "locks" | "epochs" | "metrics";
type View = { name: ViewName; title: string; about: string; live: string[] };

const views: View[] = [
  { name: "graph", title: "Waits", about: "Who waits for whom, and the deadlocks that there were", live: ["graph", "deadlocks"] },
  { name: "transactions", title: "Transactions", about: "How a transaction goes, participant by participant", live: ["transactions"] },
  { name: "sagas", title: "Sagas", about: "Steps and what undoes them; those that need a person", live: ["sagas"] },
  { name: "compare", title: "Side by side", about: "One load, as saga and as serializable transaction", live: ["compare"] },
  { name: "instances", title: "Instances", about: "Find them, see their state, call their operations", live: [] },
  { name: "locks", title: "Hot keys", about: "Where calls wait, which locks are held, and timers", live: ["locks"] },
  { name: "epochs", title: "Epochs", about: "How work becomes durable", live: ["epochs"] },
  { name: "metrics", title: "Metrics", about: "What happens in a second", live: ["metrics"] },
];

function parseHash(): { name: ViewName; argument: string } {
  const rest = location.hash.replace(/^#\/?/, "");
  const at = rest.indexOf("/");
  const name = at < 0 ? rest : rest.slice(0, at);
  const view = views.find((v) => v.name === name);
  return { name: view?.name ?? "graph", argument: view && at >= 0 ? rest.slice(at + 1) : "" };
}

type Theme = "system" | "light" | "dark";

function readTheme(): Theme {
  try {
    const kept = localStorage.getItem("concordat-theme");
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}

function applyTheme(theme: Theme): void {
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
  try {
    localStorage.setItem("concordat-theme", theme);
  } catch {
    // storage is off: it holds until the page is closed
  }
}

function App() {
  const [session, setSession] = useState<Session>();
  const [fault, setFault] = useState<Fault>();
  const [round, setRound] = useState(0);
  const again = () => setRound((n) => n + 1);
  useEffect(() => {
    let current = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    askSession().then((s) => { if (current) { setFault(undefined); setSession(s); } }, (e: Fault) => {
      if (!current) return;
      setFault(e);
      if (e.status !== 401 && e.status !== 403) timer = setTimeout(again, 2000);
    });
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [round]);
  const leave = (why?: Fault) => {
    setToken(null);
    setSession(undefined);
    setFault(why ?? new Fault("unauthenticated", "", 401));
  };
  if (session) return <Console session={session} leave={leave} />;
  if (fault && (fault.status === 401 || fault.status === 403)) return <Login fault={fault} done={again} />;
  return (
    <main class="alone">
      <Brand />
      {fault ? <Problem fault={fault} again={again} /> : <Loading what="Asking the server" />}
    </main>
  );
}

function Brand() {
  return <div class="brand"><img src="icon.svg" alt="" width="24" height="24" /> Concordat</div>;
}

function Login({ fault, done }: { fault: Fault; done: () => void }) {
  const [token, set] = useState("");
  const [tried, setTried] = useState(false);
  useEffect(() => { if (tried) set(""); }, [fault]);
  return (
    <main class="alone">
      <Brand />
      <form class="card" onSubmit={(e) => {
        e.preventDefault();
        setTried(true);
        setToken(token.trim());
        done();
      }}>
        <h1>Who are you?</h1>
        <p>This server lets nobody in without a token. An operator makes one with <code>concordat token</code>.</p>
        <label>Token <input type="password" autocomplete="off" spellcheck={false} autofocus value={token} onInput={(e) => set(e.currentTarget.value)} /></label>
        {fault.message !== "" && tried && <Problem fault={fault} />}
        <div class="buttons left"><button type="submit" class="primary" disabled={token.trim() === ""}>Enter</button></div>
        <p class="faint">It is kept until this tab is closed, and sent to this server only.</p>
      </form>
    </main>
  );
}

type Data = { graph?: Graph; deadlocks?: Deadlocks; transactions?: Transactions; sagas?: Sagas; locks?: Locks; epochs?: Epochs; metrics?: Metrics; compare?: Comparison };

function Console({ session, leave }: { session: Session; leave: (why?: Fault) => void }) {
  const [where, setWhere] = useState(parseHash);
  const [data, setData] = useState<Data>({});
  const [trouble, setTrouble] = useState<Record<string, Fault>>({});
  const [status, setStatus] = useState<Status>("connecting");
  const [paused, setPaused] = useState(false);
  const [theme, setTheme] = useState<Theme>(readTheme);
  const [help, setHelp] = useState(false);
  const [said, setSaid] = useState("");
  const held = useRef(paused);
  held.current = paused;
  const shown = views.filter((v) => v.name !== "compare" || session.compare);
  const view = shown.find((v) => v.name === where.name) ?? shown[0]!;

  useEffect(() => {
    const moved = () => {
      hideHint();
      setWhere(parseHash());
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  useEffect(() => {
    document.title = `${view.title} · Concordat`;
    setPaused(false);
    setData({});
    setTrouble({});
    if (view.live.length === 0) {
      setStatus("live");
      return undefined;
    }
    return follow(view.live, (name, news) => {
      if (held.current) return;
      const error = (news as { error?: { code: string; text: string } }).error;
      if (error) {
        setTrouble((old) => ({ ...old, [name]: new Fault(error.code, error.text, 0) }));
        return;
      }
      setTrouble(({ [name]: _, ...rest }) => rest);
      setData((old) => ({ ...old, [name]: news }));
    }, (now, why) => {
      setStatus(now);
      if (why?.status === 401 || why?.status === 403) leave(why);
    });
  }, [view.name]);
  useEffect(() => {
    if (!said) return undefined;
    const timer = setTimeout(() => setSaid(""), 6000);
    return () => clearTimeout(timer);
  }, [said]);
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      const at = e.target as HTMLElement;
      if (e.altKey || e.ctrlKey || e.metaKey || at.closest("input, textarea, select, dialog")) return;
      const chosen = views[Number(e.key) - 1];
      if (chosen && shown.includes(chosen)) location.hash = `#/${chosen.name}`;
      if (e.key === "?") setHelp(true);
      if (e.key === " " && !at.closest("button, a, summary, [role=button]") && view.live.length > 0) {
        e.preventDefault();
        setPaused(!held.current);
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });

  const wrong = Object.values(trouble)[0];
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>To the content</a>
      <header>
        <Brand />
        <nav aria-label="Views">
          {shown.map((v) => (
            <a key={v.name} href={`#/${v.name}`} aria-current={v.name === view.name ? "page" : undefined} title={`${v.about} (key ${views.indexOf(v) + 1})`}>{v.title}</a>
          ))}
        </nav>
        <div class="tools">
          <Light status={status} paused={paused} live={view.live.length > 0} />
          {view.live.length > 0 && <button type="button" aria-pressed={paused} title="Hold what is shown (space)" onClick={() => setPaused(!paused)}>{paused ? "Go on" : "Hold"}</button>}
          <button type="button" class="square" title={`Colours: ${theme}`} aria-label={`Colours: ${theme}`} onClick={() => {
            const next: Theme = theme === "system" ? "light" : theme === "light" ? "dark" : "system";
            setTheme(next);
            applyTheme(next);
          }}>{theme === "system" ? "◐" : theme === "light" ? "☀" : "☾"}</button>
          <button type="button" aria-label="Help" title="Help (?)" onClick={() => setHelp(true)}>?</button>
          {!session.open && <button type="button" onClick={() => leave()} title={`You are a ${session.role}`}>Leave</button>}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <h1>{view.title} <span class="faint about">{view.about}</span></h1>
        {status === "lost" && <div class="banner" role="alert"><span class="spinner" aria-hidden="true" /> The server does not answer. What is shown is from before; it connects again by itself.</div>}
        {wrong && <Problem fault={wrong} />}
        <div class={status === "lost" ? "stale" : ""}>
          {view.name === "graph" && <GraphView {...has("graph", data.graph)} {...has("deadlocks", data.deadlocks)} paused={paused} argument={where.argument} />}
          {view.name === "transactions" && <TransactionsView {...has("data", data.transactions)} argument={where.argument} session={session} say={setSaid} />}
          {view.name === "sagas" && <SagasView {...has("data", data.sagas)} argument={where.argument} session={session} say={setSaid} />}
          {view.name === "compare" && <CompareView {...has("data", data.compare)} />}
          {view.name === "instances" && <InstancesView argument={where.argument} session={session} />}
          {view.name === "locks" && <LocksView {...has("data", data.locks)} />}
          {view.name === "epochs" && <EpochsView {...has("data", data.epochs)} />}
          {view.name === "metrics" && <MetricsView {...has("data", data.metrics)} />}
        </div>
      </main>
      <div class={`toast ${said ? "" : "gone"}`} role="status" aria-live="polite">{said}</div>
      {help && <Help close={() => setHelp(false)} shown={shown} session={session} />}
    </>
  );
}

/** A property that is left out while there is no value. */
function has<K extends string, V>(name: K, value: V | undefined): { [k in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [k in K]?: V };
}

function Light({ status, paused, live }: { status: Status; paused: boolean; live: boolean }) {
  if (!live) return null;
  const text = paused ? "held" : status === "live" ? "live" : status === "lost" ? "not connected" : "connecting";
  return <span class={`light ${paused ? "held" : status}`} role="status"><span aria-hidden="true" /> {text}</span>;
}

function Help({ close, shown, session }: { close: () => void; shown: View[]; session: Session }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onCancel={(e) => { e.preventDefault(); close(); }} onClose={close} aria-labelledby="help">
      <h2 id="help">Keys</h2>
      <dl class="keyed">
        {shown.map((v) => <Fragment key={v.name}><dt><kbd>{views.indexOf(v) + 1}</kbd></dt><dd>{v.title}</dd></Fragment>)}
        <dt><kbd>space</kbd></dt><dd>hold what is shown, and go on</dd>
        <dt><kbd>↑</kbd> <kbd>↓</kbd></dt><dd>move in a list</dd>
        <dt><kbd>←</kbd> <kbd>→</kbd></dt><dd>step through a replay</dd>
      </dl>
      <p>Words that are <span class="term">underlined like this</span> say what they mean when you point at them, or come to them with the Tab key.</p>
      <p class="faint">{session.open ? "Whoever reaches this server may do everything." : `You are a ${session.role}.`} What is shown is looked up twice a second, and only while a console is open.</p>
      <div class="buttons"><button type="button" class="primary" onClick={close}>Close</button></div>
    </dialog>
  );
}

applyTheme(readTheme());
render(<App />, document.getElementById("app")!);
