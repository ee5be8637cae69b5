/**
 * Owns the reports of runs that are over: until the gateway has them or nothing is waited for, and what is said of what it
 * will not have.
 * Must not know how a run is carried out, nor what is run next.
 * Invariant: a run is let go of only once the gateway has all of it; no run of which something is missing passes for a good
 * one.
 */
import { JournalError } from "../journal/errors.ts";
import { filesOf, type KeptRun } from "../run/kept/kept_run.ts";
import type { HttpCondition } from "../serving/serving.ts";
import { toldOf } from "../secrets/journal.ts";
import type { Report, ReportStatus } from "../uplink/report/report.ts";
import { finishedOf } from "./finished.ts";
import type { GatewayLink } from "./link.ts";
import type { AgentPort } from "./port.ts";
import type { AgentRun } from "./run.ts";
import type { AgentStopping } from "./stopping.ts";

/** Runs that wait for the gateway, at most. */
const MAX_WAITING = { kept: 200, inMemory: 20 } as const;

/** A run that waits for the gateway. */
interface Waiting {
  readonly what: string;
  readonly kept: KeptRun | undefined;
  readonly bytes: number;
  readonly letGo: PromiseWithResolvers<void>;
}

/** What reporting needs. */
export interface ReportingOptions {
  readonly port: AgentPort;
  readonly link: GatewayLink | undefined;
  readonly stopping: AgentStopping;
  /** Most bytes of the disk that those runs may take. */
  readonly waitingBytes: number;
}

/** Reports the runs of an agent. */
export class Reporting {
  readonly #port: AgentPort;
  readonly #link: GatewayLink | undefined;
  readonly #stopping: AgentStopping;
  readonly #background: Set<Promise<void>> = new Set();
  readonly #waitingBytes: number;
  /** The oldest first. */
  readonly #waiting: Set<Waiting> = new Set();
  #incomplete = false;
  #letGo = 0;

  constructor({ port, link, stopping, waitingBytes }: ReportingOptions) {
    this.#waitingBytes = waitingBytes;
    this.#port = port;
    this.#link = link;
    this.#stopping = stopping;
  }

  /** Whether the gateway will never have something of what was reported. */
  get incomplete(): boolean {
    return this.#incomplete;
  }

  /** Resolves when no report is under way in the background. */
  async settled(): Promise<void> {
    await Promise.all(this.#background);
  }

  /** Goes on beside whatever else there is to do. */
  inBackground(work: Promise<void>): void {
    const done = work.finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  /** Reports a run that is over and was left by an earlier process, in the background; nothing where there is no gateway. */
  left(kept: KeptRun): void {
    if (this.#link !== undefined) this.inBackground(this.#reportLeft(kept, this.#link));
  }

  async #reportLeft(kept: KeptRun, link: GatewayLink): Promise<void> {
    const state = this.#port.state!;
    const journal = toldOf(kept.journal, this.#port.redactor);
    let left;
    try {
      left = finishedOf(journal, link.gateway.report.kind);
    } catch (error) {
      return this.#sayUnreadable(kept.folder, unreadableOf(error));
    }
    if (left === undefined) return await state.remove(kept);
    const report = link.report(left.run, journal, {
      handout: kept.origin.tag,
      life: kept.life,
      files: { open: (sha256) => this.#port.openFile(`${filesOf(kept)}/${sha256}`, "read") },
      onMissing: () => state.keepRefused(kept),
    });
    report.end(left.end);
    const { drained, isLetGo } = await this.#drained(report, kept.folder, kept);
    await link.drop(report);
    if (isLetGo) return await state.remove(kept);
    this.#sayMissing(left.run, report, kept);
    const { unreadable } = report.status();
    if (unreadable !== undefined) this.#sayUnreadable(kept.folder, unreadable);
    if (!drained) return;
    state.reported(kept);
    await state.remove(kept);
  }

  /** Waits until the gateway has a run of this process, or nothing is waited for any more. */
  async whole(run: AgentRun, kept: KeptRun | undefined): Promise<void> {
    const { report } = run;
    if (this.#link === undefined || report === undefined) return;
    const { drained, isLetGo } = await this.#drained(report, `run ${run.id}`, kept);
    if (!drained && !isLetGo) this.#sayLeft(report.status(), kept);
    await this.#link.drop(report);
    if (isLetGo && kept !== undefined) return this.#port.state!.reported(kept);
    this.#sayMissing(run.id, report, kept);
    const unreadable = report.status().unreadable ?? run.unreadable;
    if (unreadable !== undefined) this.#sayUnreadable(kept?.folder ?? `run ${run.id}`, unreadable);
    if (drained && kept !== undefined) this.#port.state?.reported(kept);
  }

  async #drained(
    report: Report,
    what: string,
    kept: KeptRun | undefined,
  ): Promise<{ readonly drained: boolean; readonly isLetGo: boolean }> {
    const letGo = Promise.withResolvers<void>();
    const waiting = { what, kept, bytes: await this.#bytesOf(kept), letGo };
    this.#waiting.add(waiting);
    this.#makeRoom();
    let isLetGo = false;
    const over = letGo.promise.then(() => {
      isLetGo = true;
      return false;
    });
    try {
      const drained = await Promise.race([report.drained, over, this.#stopping.over.then(() => false)]);
      return { drained, isLetGo: isLetGo && !drained };
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  async #bytesOf(kept: KeptRun | undefined): Promise<number> {
    return kept === undefined ? 0 : await this.#port.state!.size(kept);
  }

  /** A timetable goes on while the gateway is away: what waits for it may fill neither disk nor memory. */
  #makeRoom(): void {
    const all = [...this.#waiting];
    const most = this.#port.state === undefined ? MAX_WAITING.inMemory : MAX_WAITING.kept;
    let bytes = all.reduce((sum, waiting) => sum + waiting.bytes, 0);
    for (let at = 0; at < all.length - 1; at++) {
      if (all.length - at <= most && bytes <= this.#waitingBytes) return;
      const oldest = all[at]!;
      bytes -= oldest.bytes;
      this.#waiting.delete(oldest);
      this.#incomplete = true;
      this.#letGo++;
      this.#port.note(
        `Of ${oldest.what} the gateway will not have all: it is let go of, since ${all.length} runs wait for the gateway, and more would fill the ${
          this.#port.state === undefined ? "memory" : "disk"
        }`,
      );
      oldest.letGo.resolve();
    }
  }

  /** What is not as it should be with what waits. */
  get conditions(): readonly HttpCondition[] {
    if (this.#letGo === 0) return [];
    const message =
      `${this.#letGo} runs were let go of before the gateway had all of them: too many waited for it`;
    return [{ code: "runs_let_go", message }];
  }

  /** The disk may give it back: the next start tries again. */
  #sayUnreadable(what: string, because: string): void {
    this.#incomplete = true;
    this.#port.note(`Of ${what} the gateway has not all, since it could not be read: ${because}`);
  }

  /** What was set aside is lost to the gateway. */
  #sayMissing(run: string, report: Report, kept: KeptRun | undefined): void {
    const { parked, leftOut, files } = report.status();
    const before = kept !== undefined && this.#port.state?.isRefused(kept) === true;
    if (parked + leftOut + files.parked === 0 && !before) return;
    this.#incomplete = true;
    const notSent = files.parked > 0 ? `, ${files.parked} files not sent` : "";
    const what = parked + leftOut + files.parked > 0
      ? `${parked} records were set aside, ${leftOut} values left out${notSent}; why is said above`
      : "it refused something that a process before sent";
    const where = kept === undefined ? "" : ", and its folder is kept as .refused";
    this.#port.note(
      `The gateway will not have all of run ${run}: ${what}. The exit code says so too${where}`,
    );
  }

  #sayLeft({ pending, files }: ReportStatus, kept: KeptRun | undefined): void {
    const more = files.pending > 0 ? `, and ${files.pending} files,` : "";
    const what =
      `${pending.state} state records and ${pending.log} of the log${more} have not reached the gateway`;
    this.#port.note(
      kept === undefined
        ? `${what} and are lost: with OUTRIDER_STATE_DIR the next start would send them`
        : `${what}: they stay in ${kept.folder}, and the next start sends them`,
    );
  }
}

/** Why a journal can't be read, in words; all else is a defect. */
function unreadableOf(error: unknown): string {
  if (error instanceof JournalError) return error.message;
  throw error;
}
