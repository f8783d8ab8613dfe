// SPDX-License-Identifier: MIT
//
// Blocks that jump anywhere, as nested loops and forward jumps, which is what WebAssembly has. Blocks that lie on a cycle form a loop
// (a strongly connected component); within it, what leads back to its entries is a jump to its beginning, and without those jumps
// the same is done again for the inner loops. All other jumps lead forward in topological order.

export type Item = { readonly block: number } | Loop;
export interface Loop {
  /** Blocks by which the loop is entered, and to which jumps back lead. */
  readonly entries: readonly number[];
  readonly items: readonly Item[];
}

export const isLoop = (item: Item): item is Loop => 'items' in item;

/** Blocks of an item, inner ones included. */
export function blocksOf(item: Item): number[] {
  return isLoop(item) ? item.items.flatMap(blocksOf) : [item.block];
}

/** Items in an order in which every jump that is not to an entry of a loop around leads forward; those of `entries` come first if they can. */
export function structure(
  nodes: readonly number[],
  successors: (node: number) => readonly number[],
  entries: ReadonlySet<number>,
): Item[] {
  const inside = new Set(nodes);
  const next = (node: number): number[] => successors(node).filter((target) => inside.has(target));
  const components = stronglyConnected(nodes, next);
  return components.map((component) => {
    const [first] = component;
    if (component.length === 1 && !next(first).includes(first)) return { block: first };
    const members = new Set(component);
    const entered = new Set(component.filter((node) => entries.has(node)));
    for (const node of nodes) {
      if (members.has(node)) continue;
      for (const target of next(node)) if (members.has(target)) entered.add(target);
    }
    const inner = (node: number): number[] => next(node).filter((target) => !entered.has(target));
    return {
      entries: [...entered],
      items: structure([...entered, ...component.filter((node) => !entered.has(node))], inner, entered),
    };
  });
}

/** Tarjan's components, in topological order: each before those that it leads to. */
function stronglyConnected(nodes: readonly number[], next: (node: number) => number[]): number[][] {
  const order = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const found: number[][] = [];

  const visit = (node: number): void => {
    order.set(node, order.size);
    low.set(node, order.get(node)!);
    stack.push(node);
    onStack.add(node);
    for (const target of next(node)) {
      if (!order.has(target)) {
        visit(target);
        low.set(node, Math.min(low.get(node)!, low.get(target)!));
      } else if (onStack.has(target)) low.set(node, Math.min(low.get(node)!, order.get(target)!));
    }
    if (low.get(node) !== order.get(node)) return;
    const component: number[] = [];
    for (let member = -1; member !== node; ) {
      member = stack.pop()!;
      onStack.delete(member);
      component.push(member);
    }
    found.push(component.reverse());
  };

  // Found in reverse: what is to come first is visited last.
  for (let i = nodes.length - 1; i >= 0; i--) if (!order.has(nodes[i])) visit(nodes[i]);
  return found.reverse();
}
