/**
 * What collecting costs: CPU per 1,000 rows of asking a real HAProxy, sorting its rows into clusters and storing what
 * they say, all threads of ours included. Baselines of the same run, by turns: reading the same socket to its end and
 * throwing it away, and a parser that splits lines and fields. HAProxy's own CPU against that of a bare `show stat`.
 */

import type { BigHaproxy } from "./bigHaproxy.ts";
import { readAll, readText, SERVERS_EACH, startBigHaproxy } from "./bigHaproxy.ts";
import type { CollectRig } from "./collectRig.ts";
import { startCollectRig } from "./collectRig.ts";

const QUESTION = "show info float;show stat";
const TOTAL = "network.services.lb.total.connections";
/** A scrape that follows too soon on another is not counted by the collector. */
const PAUSE_MS = 30;

const SIZES = [
  { backends: 1, warm: 30, rounds: 60 },
  { backends: 10, warm: 10, rounds: 30 },
  { backends: 100, warm: 3, rounds: 20 },
];

interface Cost {
  readonly ownMs: number;
  readonly haproxyMs: number;
}

interface Round {
  readonly ours: Cost;
  readonly read: Cost;
  readonly split: Cost;
}

async function cost(haproxy: BigHaproxy, work: () => Promise<unknown>): Promise<Cost> {
  const haproxyMs = haproxy.cpuMs();
  const cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { ownMs: (user + system) / 1000, haproxyMs: haproxy.cpuMs() - haproxyMs };
}

/** What most collectors do: lines, fields by name, numbers. Returns the rows' `stot` by kind. */
export function splitAnswer(answer: string): { rows: number; stot: number; stotOfFrontends: number } {
  const lines = answer.slice(answer.indexOf("# pxname")).split("\n");
  const names = (lines[0] ?? "").split(",");
  const at = (name: string) => names.indexOf(name);
  const wanted = ["scur", "stot", "bin", "bout", "ereq", "econ", "qcur", "rtime", "req_tot", "hrsp_2xx", "hrsp_5xx"];
  const columns = [...wanted, "type"].map(at);
  const samples = new Float64Array(columns.length * lines.length);
  let [rows, stot, stotOfFrontends] = [0, 0, 0];
  for (const line of lines.slice(1)) {
    const cells = line.split(",");
    if (cells.length < names.length) continue;
    columns.forEach((column, index) => {
      samples[rows * columns.length + index] = Number(cells[column]);
    });
    const counted = samples[rows * columns.length + 1] ?? 0;
    stot += counted;
    if (samples[rows * columns.length + columns.length - 1] === 0) stotOfFrontends += counted;
    rows++;
  }
  return { rows, stot, stotOfFrontends };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;

async function measure(haproxy: BigHaproxy, rig: CollectRig, warm: number, rounds: number): Promise<Round[]> {
  const measured: Round[] = [];
  for (let round = 0; round < warm + rounds; round++) {
    await haproxy.traffic();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const ours = await cost(haproxy, () => rig.tick());
    const read = await cost(haproxy, () => readAll(haproxy.socket, "show stat"));
    const split = await cost(haproxy, async () => splitAnswer(await readText(haproxy.socket, QUESTION)));
    if (round >= warm) measured.push({ ours, read, split });
  }
  return measured;
}

/** Rows and counters are all there: what is fast and wrong is not fast. */
async function verify(haproxy: BigHaproxy, rig: CollectRig, stotAtFirst: number): Promise<void> {
  const plain = splitAnswer(await readText(haproxy.socket, QUESTION));
  const slices = await rig.tick();
  const rows = slices.reduce((sum, { rowCount = 0 }) => sum + rowCount, 0);
  const grown = rig.stored(TOTAL);
  if (plain.rows !== haproxy.rows) throw new Error(`HAProxy says ${plain.rows} rows, there are ${haproxy.rows}`);
  if (rows !== haproxy.rows) throw new Error(`${rows} rows were collected of ${haproxy.rows}`);
  if (grown !== plain.stotOfFrontends - stotAtFirst)
    throw new Error(`stored ${grown} sessions, HAProxy counted ${plain.stotOfFrontends - stotAtFirst}`);
}

export async function benchCollect(): Promise<void> {
  const head = ["servers", "rows", "ours", "read only", "split", "ours/read", "ours/split", "haproxy/bare"];
  const table = (cells: readonly (string | number)[]) =>
    console.log(`  ${cells.map((cell) => String(cell).padStart(12)).join("")}`);
  console.log("collect: CPU-seconds per 1,000 rows; medians, ratios are medians of each round's");
  table(head);
  const lines: string[] = [];
  for (const { backends, warm, rounds } of SIZES) {
    await using haproxy = await startBigHaproxy(backends);
    await using rig = await startCollectRig(haproxy.socket, backends);
    const { stotOfFrontends } = splitAnswer(await readText(haproxy.socket, QUESTION));
    await rig.tick();
    const measured = await measure(haproxy, rig, warm, rounds);
    await verify(haproxy, rig, stotOfFrontends);
    const per1000 = (kind: keyof Round, of: (values: readonly number[]) => number = median) =>
      of(measured.map((round) => round[kind].ownMs)) / haproxy.rows;
    const ratio = (base: "read" | "split", cpu: keyof Cost) =>
      median(measured.map(({ ours, [base]: other }) => ours[cpu] / other[cpu]));
    const [toRead, toSplit, toBare] = [ratio("read", "ownMs"), ratio("split", "ownMs"), ratio("read", "haproxyMs")];
    const [ours, read, split] = [per1000("ours"), per1000("read"), per1000("split")];
    table([
      backends * SERVERS_EACH,
      haproxy.rows,
      ...[ours, read, split].map((one) => one.toFixed(5)),
      ...[toRead, toSplit].map((one) => one.toFixed(2)),
      toBare.toFixed(3),
    ]);
    const haproxyMs = median(measured.map((round) => round.ours.haproxyMs));
    const oursMean = per1000("ours", mean);
    lines.push(
      JSON.stringify({
        bench: "collect",
        rows: haproxy.rows,
        rounds,
        ours,
        oursMean,
        read,
        split,
        toRead,
        toSplit,
        toBare,
        haproxyMs,
      }),
    );
  }
  table(["aims", "", "0.00400", "", "", "3.00", "", "1.100"]);
  for (const line of lines) console.log(line);
}
