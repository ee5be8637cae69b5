/**
 * Owns the order of what is ready: a binary heap of task indexes, and of numbers of items, by rank.
 * Must not know why a task is ready.
 * Invariant: `pop` gives the task with the lowest rank; a task is in it at most once.
 */

/** Ready tasks, the lowest rank first. */
export class ReadyQueue {
  readonly #rank: Int32Array;
  readonly #beyond: (number: number) => number;
  readonly #heap: number[] = [];

  /** @param rank The rank of each task by its index; all different. @param beyond That of a number which is no task's. */
  constructor(rank: Int32Array, beyond: (number: number) => number = () => Infinity) {
    this.#rank = rank;
    this.#beyond = beyond;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** What `pop` would give. */
  get head(): number | undefined {
    return this.#heap[0];
  }

  push(task: number): void {
    const heap = this.#heap;
    const rank = this.#rankOf(task);
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#rankOf(heap[parent]!) < rank) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = task;
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.#sink(last);
    return first;
  }

  /** The first `limit` tasks or so, for a person to look at: exact for the first, near enough for the others. */
  peek(limit: number): number[] {
    return this.#heap.slice(0, limit * 4).sort((a, b) => this.#rankOf(a) - this.#rankOf(b)).slice(0, limit);
  }

  /** Takes these out. */
  remove(tasks: ReadonlySet<number>): void {
    const left = this.#heap.filter((task) => !tasks.has(task));
    this.clear();
    for (const task of left) this.push(task);
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #sink(task: number): void {
    const heap = this.#heap;
    const rank = this.#rankOf(task);
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#rankOf(heap[child + 1]!) < this.#rankOf(heap[child]!)) child++;
      if (this.#rankOf(heap[child]!) > rank) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = task;
  }

  #rankOf(number: number): number {
    return this.#rank[number] ?? this.#beyond(number);
  }
}
