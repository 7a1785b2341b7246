/** fhenn's client for browsers and Node: the public surface. */

export {
  Client,
  type ClientOptions,
  type DecryptOptions,
  type Decrypted,
  type OnViolation,
  type Part,
} from "./client.ts";
export * from "./errors.ts";
export type { Layout } from "./layout.ts";
export { loadSeal, type Seal } from "./loadseal.ts";
export type { Parameters } from "./parameters.ts";
export type { Finish, Plan, Result, Witness } from "./plan.ts";
export { readPlanFile, type PlanFile } from "./planfile.ts";
export * from "./preparation/index.ts";
export type { Progress, Step } from "./progress.ts";
export * from "./reading/index.ts";
export { receiptOf, type Receipt } from "./receipt.ts";
export { Service, type ModelSummary, type ServiceOptions } from "./service.ts";
export * from "./table/index.ts";
