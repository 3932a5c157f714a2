// Puts the licences of all that codemirror.js holds beside it, in codemirror-licences.txt.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const rule = `\n${"-".repeat(80)}\n`;
const lock = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;
const texts = [];
for (const folder of Object.keys(lock).filter((name) => name && !/esbuild/.test(name)).sort()) {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
  texts.push(`${name} ${version} (${license})\n\n${readFileSync(`${folder}/${file}`, "utf8")}`);
}
writeFileSync("../../book/exercise/codemirror-licences.txt", texts.join(rule));
