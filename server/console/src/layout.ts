// Where the nodes of the wait-for graph stand. Columns go from left to right: who runs, what it holds, who waits for that, what those
// hold, and so on. So a chain of waits is read from left to right, and its head is on the left.
import type { Claim, Lock } from "./types";

export type Node =
  | { kind: "who"; key: string; claim: Claim; x: number; y: number; waits: boolean }
  | { kind: "lock"; key: string; lock: Lock; x: number; y: number }
  | { kind: "more"; key: string; count: number; of: "wait" | "hold"; x: number; y: number };
export type Edge = { from: string; to: string; kind: "holds" | "waits"; circle: boolean };
export type Drawing = { nodes: Node[]; edges: Edge[]; width: number; height: number };

export const nodeWidth = 176;
export const nodeHeight = 30;
const gapX = 84;
const gapY = 12;
const margin = 10;

export const keyOfLock = (l: Lock): string => `lock\n${l.address.type}\n${l.address.id}`;
export const keyOfOwner = (c: Claim): string => `who\n${c.owner}`;

/** Lays out the graph of some locks. Edges go from what is waited for to who waits. */
export function layOut(locks: Lock[]): Drawing {
  const nodes = new Map<string, Node>();
  const before = new Map<string, string[]>(); // what a node stands to the right of
  const edges: Edge[] = [];
  const add = (node: Node) => {
    if (!nodes.has(node.key)) nodes.set(node.key, node);
    if (!before.has(node.key)) before.set(node.key, []);
  };
  const link = (from: string, to: string, kind: Edge["kind"]) => {
    edges.push({ from, to, kind, circle: false });
    before.get(to)?.push(from);
  };
  for (const lock of locks) {
    const key = keyOfLock(lock);
    add({ kind: "lock", key, lock, x: 0, y: 0 });
    for (const claim of lock.holders) {
      add({ kind: "who", key: keyOfOwner(claim), claim, x: 0, y: 0, waits: false });
      link(keyOfOwner(claim), key, "holds");
    }
    if (lock.holderCount > lock.holders.length) {
      const more = `${key}\nholders`;
      add({ kind: "more", key: more, count: lock.holderCount - lock.holders.length, of: "hold", x: 0, y: 0 });
      link(more, key, "holds");
    }
    for (const claim of lock.waiters) {
      add({ kind: "who", key: keyOfOwner(claim), claim, x: 0, y: 0, waits: true });
      const node = nodes.get(keyOfOwner(claim));
      if (node?.kind === "who") node.waits = true;
      link(key, keyOfOwner(claim), "waits");
    }
    if (lock.waiterCount > lock.waiters.length) {
      const more = `${key}\nwaiters`;
      add({ kind: "more", key: more, count: lock.waiterCount - lock.waiters.length, of: "wait", x: 0, y: 0 });
      link(key, more, "waits");
    }
  }
  const columns = columnsOf([...nodes.keys()], before, edges);
  return place(nodes, before, columns, edges);
}

/** The column of each node: one to the right of all that it waits for. An edge that closes a circle does not count. */
function columnsOf(keys: string[], before: Map<string, string[]>, edges: Edge[]): Map<string, number> {
  const column = new Map<string, number>();
  const state = new Map<string, "open" | "done">();
  const closing = new Set<string>(); // edges that close a circle
  for (const root of keys) {
    const stack = [{ key: root, next: 0 }];
    if (state.has(root)) continue;
    state.set(root, "open");
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const parents = before.get(top.key) ?? [];
      if (top.next < parents.length) {
        const parent = parents[top.next++]!;
        if (state.get(parent) === "open") {
          closing.add(`${parent}\t${top.key}`);
          const from = stack.findIndex((s) => s.key === parent);
          const circle = stack.slice(from).map((s) => s.key); // each stands to the right of the next
          circle.forEach((key, i) => {
            const left = circle[i + 1] ?? parent;
            for (const e of edges) if ((e.from === left && e.to === key) || (e.from === parent && e.to === top.key)) e.circle = true;
          });
        } else if (!state.has(parent)) {
          state.set(parent, "open");
          stack.push({ key: parent, next: 0 });
        }
        continue;
      }
      let at = 0;
      for (const parent of parents) if (!closing.has(`${parent}\t${top.key}`)) at = Math.max(at, (column.get(parent) ?? 0) + 1);
      column.set(top.key, at);
      state.set(top.key, "done");
      stack.pop();
    }
  }
  return column;
}

/** Puts the nodes of each column below each other, near to what they stand to the right of. */
function place(nodes: Map<string, Node>, before: Map<string, string[]>, column: Map<string, number>, edges: Edge[]): Drawing {
  const byColumn: Node[][] = [];
  for (const node of nodes.values()) (byColumn[column.get(node.key) ?? 0] ??= []).push(node);
  let height = 0;
  let x = margin;
  for (const list of byColumn) {
    if (!list) continue;
    const wish = new Map<Node, number>();
    list.forEach((node, i) => {
      const parents = (before.get(node.key) ?? []).map((k) => nodes.get(k)!).filter((n) => n.x < x && n.x > 0);
      wish.set(node, parents.length > 0 ? parents.reduce((sum, n) => sum + n.y, 0) / parents.length + i * 0.001 : i * (nodeHeight + gapY));
    });
    list.sort((a, b) => wish.get(a)! - wish.get(b)!);
    let y = margin;
    list.forEach((node, i) => {
      const groupTop = Math.max(y, (wish.get(node) ?? 0) - spread(list, wish, i));
      node.x = x;
      node.y = groupTop;
      y = groupTop + nodeHeight + gapY;
    });
    height = Math.max(height, y);
    x += nodeWidth + gapX;
  }
  // Once more from right to left: each next to the middle of those that stand to its right, which may be many.
  const after = new Map<Node, Node[]>();
  for (const e of edges) {
    const [left, right] = [nodes.get(e.from)!, nodes.get(e.to)!];
    if (right.x > left.x) after.set(left, [...(after.get(left) ?? []), right]);
  }
  for (const list of [...byColumn].reverse()) {
    const middle = (n: Node) => {
      const right = after.get(n) ?? [];
      return right.length === 0 ? n.y : right.reduce((sum, r) => sum + r.y, 0) / right.length;
    };
    const wish = new Map(list.map((n) => [n, middle(n)]));
    let y = margin;
    for (const node of list.sort((a, b) => wish.get(a)! - wish.get(b)!)) {
      node.y = Math.max(y, wish.get(node)!);
      y = node.y + nodeHeight + gapY;
    }
    height = Math.max(height, y);
  }
  return { nodes: [...nodes.values()], edges, width: x - gapX + margin, height: height + margin - gapY };
}

/** How far the first of those that wish for the same place stands above it, so that they stand around it. */
function spread(list: Node[], wish: Map<Node, number>, i: number): number {
  const at = Math.floor(wish.get(list[i]!) ?? 0);
  if (i > 0 && Math.floor(wish.get(list[i - 1]!) ?? 0) === at) return 0;
  let same = 1;
  while (i + same < list.length && Math.floor(wish.get(list[i + same]!) ?? 0) === at) same++;
  return ((same - 1) * (nodeHeight + gapY)) / 2;
}
