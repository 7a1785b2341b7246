/** What the processes of a browser hold, as Linux says it. */

import { readdirSync, readFileSync } from "node:fs";

/** The most bytes that a process of pages, their workers among them, has held. */
export function mostHeld(profile: string): number {
  const renderers = processes().filter(({ command, pid }) => command.includes("--type=renderer") && isOf(pid, profile));
  if (renderers.length === 0) throw new Error("no process of this browser is found");
  return Math.max(...renderers.map(({ pid }) => 1024 * Number(/VmHWM:\s*(\d+)/.exec(read(pid, "status"))?.[1] ?? 0)));
}

function processes(): { readonly pid: string; readonly command: string }[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => ({ pid, command: read(pid, "cmdline").replaceAll("\0", " ") }));
}

/** Whether a process, or one that it comes from, was started with a profile. */
function isOf(pid: string, profile: string): boolean {
  for (let each = pid; Number(each) > 1; each = /PPid:\s*(\d+)/.exec(read(each, "status"))?.[1] ?? "0") {
    if (read(each, "cmdline").includes(profile)) return true;
  }
  return false;
}

/** A file of a process; empty where it has ended. */
function read(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf-8");
  } catch {
    return "";
  }
}
