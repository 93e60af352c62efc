// What the events of the server have in them; server/views.go has the same. Times are milliseconds since 1970, durations milliseconds.

export type Address = { type: string; id: string };

export type Claim = {
  owner: string; attempt: number; function: string; operation: string; request: string; mode: string; since: number; chained?: boolean;
};
export type Lock = { address: Address; holders: Claim[]; holderCount: number; waiters: Claim[]; waiterCount: number };
export type Graph = { at: number; locks: Lock[]; more: number; waits: number };

export type Wait = {
  transaction: string; attempt: number; function: string; request: string; since: number; for: Address; mode: string; blockedBy: string; holds: boolean;
};
export type Deadlock = { at: number; closed: number; epoch: string; victim: string; waits: Wait[] };
export type Deadlocks = { count: number; deadlocks: Deadlock[] };

export type Running = {
  id: string; function: string; request: string; attempt: number; doomed: boolean; began: number; parts: { address: Address; mode: string }[]; partCount: number;
};
export type Traced = {
  attempt: number; address: Address; operation: string; mode: string; sent: number; waitBegan: number; waitEnded: number; back: number; vote: string; failure: string;
};
export type Trace = {
  id: string; function: string; request: string; began: number; attempts: number; calls: Traced[]; callCount: number; committed: boolean; failure: string;
  decided: number; epoch: string; sealed: number; waited: number;
};
export type Transactions = { running: Running[]; count: number; traces: Trace[] };

export type Step = { call: string; undo: string; state: string; undone: string; tries: number; error: string };
export type Saga = {
  id: string; function: string; request: string; phase: string; failure: string; steps: Step[]; firstStep: number; stepCount: number;
};
export type Sagas = { phases: Record<string, number>; sagas: Saga[] };

export type Locks = {
  at: number; hot: { address: Address; waits: number; waited: number; longest: number }[]; locks: Lock[]; lockCount: number;
  timers: { due: number; from: Address; message: string }[]; timerCount: number;
};

export type Epoch = { number: string; sealed: number; took: number; rows: number; bytes: number; outcomes: number; forced: boolean };
export type Epochs = { count: number; overlay: number; epochs: Epoch[] };

export type Measured = { name: string; coordinator: boolean; counts: number[]; sum: number; failures: Record<string, number>; unknown: number };
export type Metrics = {
  at: number; bounds: number[]; functions: Measured[]; seals: number[]; counts: Record<string, number>; gauges: Record<string, number>;
  lockWait: { count: number; time: number };
};

export type Side = {
  name: string; about: string; perSecond: number; p50: number; p99: number; committed: number; failed: number; retried: number; looks: number;
  halfDone: number; sum: string; expect: string;
};
export type Comparison = { load: string; running: boolean; sides: Side[] };

export type Shape = { schema: string };
export type Operation = { name: string; kind: string; argument?: Shape; result?: Shape };
export type FunctionType = { name: string; operations?: Operation[]; state?: Shape };
export type Coordinator = { name: string; protocol: string; input?: Shape; result?: Shape };
export type Description = { types?: FunctionType[]; coordinators?: Coordinator[] };
