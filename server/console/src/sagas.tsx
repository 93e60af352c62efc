// Sagas: how far each is, and what a person can do about those that are stuck.
import { useEffect, useRef, useState } from "preact/hooks";
import { Fault, may, procedure, type Session } from "./api";
import { count, plural, shortName, visible } from "./format";
import type { Saga, Sagas, Step } from "./types";
import { arrows, Ask, Empty, Loading, Problem, type Question, Term } from "./ui";

export function SagasView({ data, argument, session, say }: { data?: Sagas; argument: string; session: Session; say: (text: string) => void }) {
  const [phase, setPhase] = useState<string>("all");
  const kept = useRef<Saga | undefined>(undefined);
  const found = data?.sagas.find((s) => s.id === argument);
  if (found) kept.current = found;
  const [question, setQuestion] = useState<Question>(); // kept here: it stays when its saga ends meanwhile
  const [looked, setLooked] = useState<Saga>();
  const [fault, setFault] = useState<Fault>();
  useEffect(() => {
    setLooked(undefined);
    setFault(undefined);
    if (!argument || !data || found) return;
    const stop = new AbortController();
    lookUp(argument, stop.signal).then(setLooked, (e) => { if (e instanceof Fault) setFault(e); });
    return () => stop.abort();
  }, [argument, data === undefined, found === undefined]);
  if (!data) return <Loading what="Asking for sagas" />;
  const total = Object.values(data.phases).reduce((a, b) => a + b, 0);
  const listed = data.sagas.filter((s) => phase === "all" || s.phase === phase);
  const shown = found ?? looked;
  return (
    <div class="columns">
      <section class="card side" aria-label="Sagas">
        <h2><Term of="saga">Sagas</Term> <span class="faint">{count(total)}</span></h2>
        <div class="choices" role="group" aria-label="In which phase">
          {["all", "stuck", "undoing", "running"].map((p) => (
            <button type="button" key={p} aria-pressed={p === phase} class={p === "stuck" && data.phases["stuck"] ? "alert" : ""} onClick={() => setPhase(p)}>
              {p} {count(p === "all" ? total : data.phases[p] ?? 0)}
            </button>
          ))}
        </div>
        {listed.length === 0 && (
          <Empty title={phase === "stuck" ? "No saga is stuck" : "None now"}>
            {phase === "stuck"
              ? <>A saga is stuck when a <Term of="compensation" /> has failed in all its tries. Then a person decides here.</>
              : "Sagas that end within one epoch, a few milliseconds, do not appear. Those do that sleep, are being undone, or are stuck."}
          </Empty>
        )}
        <div class="rows" onKeyDown={arrows}>
          {listed.map((s) => (
            <button type="button" class="row" key={s.id} aria-pressed={s.id === argument} onClick={() => { location.hash = `#/sagas/${s.id}`; }}>
              <span><span class="number">{s.id}</span> {shortName(visible(s.function, 40))} <Phase phase={s.phase} /></span>
              <span class="faint">{s.request && <><code>{visible(s.request, 40)}</code> </>}{visible(s.failure, 90) || plural(s.stepCount, "step")}</span>
            </button>
          ))}
        </div>
        {phase === "all" && total > data.sagas.length && <p class="faint">The first {data.sagas.length} of {count(total)}, the stuck ones first.</p>}
      </section>
      <section class="grow" aria-label="The saga">
        {shown ? <Details saga={shown} session={session} say={say} live={found !== undefined} ask={setQuestion} />
          : fault ? <Problem fault={fault} />
          : argument ? <Ended last={kept.current?.id === argument ? kept.current : undefined} id={argument} />
          : <Empty title="Choose a saga">Its steps are shown here, with what undoes them and how far that is.</Empty>}
      </section>
      {question && <Ask question={question} close={() => setQuestion(undefined)} />}
    </div>
  );
}

/** Looks up a saga that is not in the list. */
async function lookUp(id: string, signal: AbortSignal): Promise<Saga | undefined> {
  if (!/^\d+$/.test(id)) return undefined;
  type Message = { sagas?: { id: string; function?: string; requestId?: string; phase?: string; failure?: { text?: string }; firstStep?: number; stepCount?: number;
    steps?: { call?: string; undo?: string; state?: string; undone?: string; tries?: number; error?: { text?: string } }[] }[] };
  const found = (await procedure<Message>("OperatorService", "ListSagas", { id }, signal)).sagas?.[0];
  if (!found) return undefined;
  return {
    id: found.id, function: found.function ?? "", request: found.requestId ?? "", phase: found.phase ?? "", failure: found.failure?.text ?? "",
    firstStep: found.firstStep ?? 0, stepCount: found.stepCount ?? 0,
    steps: (found.steps ?? []).map((s) => ({
      call: s.call ?? "", undo: s.undo ?? "", state: s.state ?? "", undone: s.undone ?? "", tries: s.tries ?? 0, error: s.error?.text ?? "",
    })),
  };
}

function Phase({ phase }: { phase: string }) {
  const tone = phase === "stuck" ? "bad" : phase === "undoing" ? "warn" : "good";
  return <span class={`tag ${tone}`}>{phase}</span>;
}

function Ended({ id, last }: { id: string; last: Saga | undefined }) {
  return (
    <Empty title={`Saga ${id} is over`}>
      {last ? `It was ${last.phase} when it was last seen, and has ended since.` : "There is no such saga, or not any more."}
    </Empty>
  );
}

type DetailsProps = { saga: Saga; session: Session; say: (text: string) => void; live: boolean; ask: (question: Question) => void };

function Details({ saga: s, session, say, live, ask }: DetailsProps) {
  const failing = s.steps.filter((step) => step.undone === "failing");
  const left = s.steps.filter((step) => step.state === "succeeded" && (step.undone === "untouched" || step.undone === "failing"));
  const decide = (decision: string, said: string) => async () => {
    await procedure("OperatorService", "DecideSaga", { id: s.id, decision: `DECISION_${decision}` });
    say(said);
  };
  const cancel = async () => {
    await procedure("OperatorService", "CancelSaga", { id: s.id });
    say(`Saga ${s.id} was asked to stop.`);
  };
  const list = (steps: Step[]) => (
    <ul>
      {steps.slice(0, 8).map((step, i) => <li key={i}><code>{visible(step.undo || step.call, 90)}</code>{step.tries > 0 && <span class="faint"> failed {step.tries === 1 ? "once" : `${step.tries} times`}: {visible(step.error, 120)}</span>}</li>)}
      {steps.length > 8 && <li class="faint">and {steps.length - 8} more</li>}
    </ul>
  );
  const questions: Record<string, Question> = {
    retry: {
      title: "Try the compensations again?", yes: "Retry", run: decide("RETRY", `Saga ${s.id} tries again.`),
      body: <>
        <p>These run once more, with as many tries as before. Do this when what made them fail has been put right.</p>
        {list(failing)}
        <p>If they fail again, the saga is stuck again. If they succeed, it goes on with the steps before.</p>
      </>,
    },
    skip: {
      title: "Leave out the compensations that fail?", yes: "Skip", danger: true, run: decide("SKIP", `Saga ${s.id} goes on without them.`),
      body: <>
        <p>These never run again, so <strong>what their steps did stays</strong>:</p>
        {list(failing)}
        <p>The steps before them are still undone: {plural(left.length - failing.length, "compensation")}. This cannot be taken back.</p>
      </>,
    },
    done: {
      title: "Mark the saga as done?", yes: "Mark done", danger: true, run: decide("DONE", `Saga ${s.id} is marked as done.`),
      body: <>
        <p>No further compensation runs. Say this when <strong>somebody has undone by hand</strong> all that was left:</p>
        {list(left)}
        <p>The saga ends as failed, as if all had been undone. This cannot be taken back.</p>
      </>,
    },
    cancel: {
      title: "Cancel the saga?", yes: "Cancel the saga", danger: true, run: cancel,
      body: <>
        <p>It takes no further step. The {plural(left.length, "step")} that {left.length === 1 ? "has" : "have"} succeeded {left.length === 1 ? "is" : "are"} undone, the last first, where there is a compensation. Whoever waits for it is told that it was cancelled.</p>
      </>,
    },
  };
  const allowed = may(session.role, "operator");
  const button = (name: string, label: string) => (
    <button type="button" class={questions[name]!.danger ? "danger" : "primary"} disabled={!allowed} onClick={() => ask(questions[name]!)}>{label}</button>
  );
  return (
    <div class="card">
      <h2><span class="number">{s.id}</span> {visible(s.function)} <Phase phase={s.phase} /></h2>
      <p class="facts">
        {s.request && <span><Term of="request id" /> <code>{visible(s.request, 60)}</code></span>}
        <span>{plural(s.stepCount, "step")}</span>
        <span><Term of={s.phase in { stuck: 1, undoing: 1, running: 1 } ? s.phase : "saga"}>{s.phase}</Term></span>
      </p>
      {s.failure && <div class="problem"><div class="faint">It is being undone because of</div><strong>{visible(s.failure, 600)}</strong></div>}
      {s.phase !== "undoing" && (
        <div class="buttons left">
          {s.phase === "stuck" ? <>{button("retry", "Retry…")}{button("skip", "Skip…")}{button("done", "Mark done…")}</> : button("cancel", "Cancel…")}
          {!allowed && <span class="faint">Only an operator can decide.</span>}
        </div>
      )}
      {!live && <p class="faint">As it was when it was looked up.</p>}
      {s.firstStep > 0 && <p class="faint">{plural(s.firstStep, "earlier step")} not shown.</p>}
      <ol class="steps" start={s.firstStep + 1}>
        {s.steps.map((step, i) => <StepLine key={s.firstStep + i} step={step} number={s.firstStep + i + 1} />)}
      </ol>
      {s.steps.length === 0 && <p class="faint">No step yet.</p>}
    </div>
  );
}

const states: Record<string, [string, string]> = {
  issued: ["…", "asked for, no answer yet"],
  succeeded: ["✓", "done"],
  failed: ["✕", "failed"],
};

const undoings: Record<string, [string, string, string]> = {
  untouched: ["↩", "not undone", ""],
  failing: ["!", "its compensation fails", "bad"],
  undone: ["↩", "undone", "good"],
  skipped: ["–", "left out by a person", "warn"],
};

function StepLine({ step, number }: { step: Step; number: number }) {
  const [mark, said] = states[step.state] ?? ["", step.state];
  const undoing = step.undone ? undoings[step.undone] ?? ["", step.undone, ""] : undefined;
  return (
    <li class={`step ${step.state}`} value={number}>
      <div class="line">
        <span class="mark" aria-hidden="true">{mark}</span>
        <code>{visible(step.call, 140)}</code> <span class="faint">{said}</span>
      </div>
      {step.undo && (
        <div class="line undo">
          <span class={`mark ${undoing?.[2] ?? ""}`} aria-hidden="true">{undoing?.[0] ?? "↩"}</span>
          <code>{visible(step.undo, 140)}</code>{" "}
          <span class={`faint ${undoing?.[2] ?? ""}`}>{undoing?.[1] ?? ""}{step.tries > 0 ? `, ${plural(step.tries, "try", "tries")}` : ""}</span>
        </div>
      )}
      {!step.undo && step.state === "succeeded" && <div class="line undo faint">Nothing undoes it.</div>}
      {step.error && <div class="error">{visible(step.error, 400)}</div>}
    </li>
  );
}
