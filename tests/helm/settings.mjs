// Holds the chart to assayd's own list of settings: node settings.mjs FOLDER KEYS FIXED. FOLDER holds the rendered
// CASE.config/assayd.yaml, KEYS what `assayd config-keys` lists, FIXED the settings left out with their reasons. Each
// setting must differ between two cases, so that a value reaches it, or be listed as fixed, and not both.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const [folder, keysFile, fixedFile] = process.argv.slice(2).map((name) => path.resolve(name));
const yaml = createRequire(path.join(folder, 'x.js'))('js-yaml');
const linesOf = (file) => fs.readFileSync(file, 'utf8').split('\n').filter((line) => line && !line.startsWith('#'));

// What a rendered configuration holds under "hsm.failover[].module": one text, also for many.
function valueAt(node, parts) {
  if (node === undefined || node === null) return '';
  if (parts.length === 0) return JSON.stringify(node);
  const [first, ...rest] = parts;
  if (!first.endsWith('[]')) return valueAt(node[first], rest);
  return (node[first.slice(0, -2)] ?? []).map((one) => valueAt(one, rest)).filter(Boolean).join();
}

function leavesOf(node, before, into) {
  if (Array.isArray(node) && node.some((one) => one !== null && typeof one === 'object')) {
    for (const one of node) leavesOf(one, `${before}[]`, into);
  } else if (node !== null && typeof node === 'object' && !Array.isArray(node)) {
    for (const [key, value] of Object.entries(node)) leavesOf(value, before ? `${before}.${key}` : key, into);
  } else {
    into.add(before);
  }
  return into;
}

const keys = linesOf(keysFile);
const fixed = new Map(linesOf(fixedFile).map((line) => line.split('|')));
const configs = fs.readdirSync(folder).filter((name) => name.endsWith('.config'))
  .map((name) => yaml.load(fs.readFileSync(path.join(folder, name, 'assayd.yaml'), 'utf8')));
let failed = false;
function judge(name, problems) {
  console.log(problems.length === 0 ? `ok ${name}` : `FAILED ${name}: ${problems.join('; ')}`);
  failed ||= problems.length > 0;
}

const changes = (key) => new Set(configs.map((config) => valueAt(config, key.split('.')))).size > 1;
judge(`each of ${keys.length} settings of assayd has a value of the chart, or a reason to have none`,
  keys.filter((key) => !changes(key) && !fixed.get(key)));
judge('what is said to be fixed is a setting, and no value changes it',
  [...fixed.keys()].filter((key) => !keys.includes(key) || changes(key)));
judge('the chart writes no setting that assayd has not',
  [...new Set(configs.flatMap((config) => [...leavesOf(config, '', new Set())]))].filter((key) => !keys.includes(key)));
judge('a setting that is new to the chart would be seen', changes('limits.a_new_one') ? ['it was not'] : []);
process.exit(failed ? 1 : 0);
