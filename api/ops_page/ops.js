// Asks for the figures every ten seconds while somebody looks, and shows them.

import * as say from "./words.js";
import { fill } from "./parts.js";

const EVERY_MS = 10000, PATIENCE_MS = 8000;
const reach = document.getElementById("reach");
let timer = 0, asking = false, lost = null;

async function figures() {
  const answer = await fetch("/ops/figures", { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
  if (!answer.ok) throw new Error(`it answered ${answer.status}`);
  return answer.json();
}

async function look() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    fill(await figures());
    lost = null;
  } catch (error) {
    lost ??= Date.now() / 1000;
    console.info("no figures:", error.message);
  } finally {
    asking = false;
  }
  const said = lost === null ? "" : `The API has not answered since ${say.clock(lost)}. What stands below is older. Trying again.`;
  if (reach.textContent !== said) reach.textContent = said;
  reach.hidden = lost === null;
  document.documentElement.classList.toggle("cut", lost !== null);
}

function again() {
  clearInterval(timer);
  if (document.hidden) return;
  timer = setInterval(look, EVERY_MS);
  look();
}

document.addEventListener("visibilitychange", again);
again();
