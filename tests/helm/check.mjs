// Judges what the chart renders: node check.mjs FOLDER, where FOLDER holds CASE.yaml files and node_modules.
// One line a check, "ok NAME" or "FAILED NAME: why"; writes each case's ConfigMap into CASE.config/ for assayd to read.
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import {policies} from './policies.mjs';

const folder = path.resolve(process.argv[2]);
const require = createRequire(path.join(folder, 'x.js'));
const yaml = require('js-yaml');
// The packages offer themselves to `import` only, which looks from where it is written.
fs.writeFileSync(path.join(folder, 'load.mjs'), 'export const load = (name) => import(name);\n');
const {load} = await import(pathToFileURL(path.join(folder, 'load.mjs')));

// Where the type and the validator of each kind live. CloudNativePG has no package: its type is below.
const kinds = {
  'v1/ConfigMap': 'kubernetes-models/v1/ConfigMap',
  'v1/Service': 'kubernetes-models/v1/Service',
  'v1/ServiceAccount': 'kubernetes-models/v1/ServiceAccount',
  'v1/PersistentVolumeClaim': 'kubernetes-models/v1/PersistentVolumeClaim',
  'apps/v1/Deployment': 'kubernetes-models/apps/v1/Deployment',
  'batch/v1/Job': 'kubernetes-models/batch/v1/Job',
  'policy/v1/PodDisruptionBudget': 'kubernetes-models/policy/v1/PodDisruptionBudget',
  'autoscaling/v2/HorizontalPodAutoscaler': 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler',
  'networking.k8s.io/v1/NetworkPolicy': 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy',
  'monitoring.coreos.com/v1/ServiceMonitor':
      '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor',
  'monitoring.coreos.com/v1/PrometheusRule':
      '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule',
  'cert-manager.io/v1/Certificate': '@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate',
  'postgresql.cnpg.io/v1/Cluster': null,
};
const clusterType = `interface ICluster {
  apiVersion: 'postgresql.cnpg.io/v1'; kind: 'Cluster';
  metadata: {name: string; labels: Record<string, string>; annotations: Record<string, string>};
  spec: {instances: number; imageName?: string; minSyncReplicas?: number; maxSyncReplicas?: number; postgresql?: {parameters: Record<string, string>};
    bootstrap: {initdb: {database: string; owner: string; encoding: string}};
    storage: {size: string; storageClass?: string};
    resources: {requests: Record<string, string>; limits: Record<string, string>}};
}\n`;

let failed = false;
function judge(name, problems) {
  console.log(problems.length === 0 ? `ok ${name}` : `FAILED ${name}: ${problems.join('; ')}`);
  failed ||= problems.length > 0;
}

const kindOf = (object) => `${object.apiVersion}/${object.kind}`;
const titleOf = (object) => `${object.kind} ${object.metadata?.name}`;

// Types, patterns and ranges, by the validators that the packages carry.
async function schemaProblems(object) {
  if (!(kindOf(object) in kinds)) return [`${titleOf(object)}: no schema for ${kindOf(object)}`];
  const module = kinds[kindOf(object)];
  if (module === null) return [];
  const found = await load(module);
  const Model = found[object.kind] ?? found.default?.[object.kind];
  try {
    new Model(object).validate();
    return [];
  } catch (error) {
    return [`${titleOf(object)}: ${error.message}`];
  }
}

// Unknown fields: the objects as literals of their types, which the compiler refuses to have one field more.
function typeProblems(cases) {
  const origin = [];
  let text = clusterType;
  const imported = new Set();
  for (const [name, objects] of cases) {
    for (const object of objects) {
      const module = kinds[kindOf(object)];
      if (module === undefined) continue;
      if (module !== null && !imported.has(module)) {
        imported.add(module);
        text += `import type {I${object.kind}} from '${module}';\n`;
      }
      text += `export const object${origin.length}: I${object.kind} = `;
      const first = text.split('\n').length;
      text += JSON.stringify(object, null, 1) + ';\n';
      origin.push({first, last: text.split('\n').length, title: `${name}, ${titleOf(object)}`});
    }
  }
  fs.writeFileSync(path.join(folder, 'objects.ts'), text);
  try {
    execFileSync(process.execPath, [
      require.resolve('typescript/bin/tsc'), '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext',
      '--moduleResolution', 'nodenext', '--target', 'es2022', 'objects.ts'
    ], {cwd: folder, encoding: 'utf8'});
    return [];
  } catch (error) {
    const lines = error.stdout.split('\n').filter((line) => /^objects\.ts\(/.test(line));
    if (lines.length === 0) throw error;
    return lines.map((line) => {
      const number = Number(/\((\d+),/.exec(line)?.[1]);
      const where = origin.find((one) => number >= one.first && number <= one.last);
      return `${where?.title}: ${line.replace(/^.*error TS\d+: /, '')}`;
    });
  }
}

const cases = fs.readdirSync(folder).filter((file) => file.endsWith('.yaml')).sort().map((file) => {
  const objects = yaml.loadAll(fs.readFileSync(path.join(folder, file), 'utf8')).filter((one) => one);
  return [file.slice(0, -'.yaml'.length), objects];
});
for (const [name, objects] of cases) {
  const problems = (await Promise.all(objects.map(schemaProblems))).flat();
  judge(`${name}: ${objects.length} objects fit the Kubernetes schemas`, problems);
  for (const [title, policy] of policies) judge(`${name}: ${title}`, policy(objects, yaml));
  const config = objects.find((one) => one.kind === 'ConfigMap' && 'assayd.yaml' in one.data);
  const out = path.join(folder, `${name}.config`);
  fs.mkdirSync(out, {recursive: true});
  for (const [file, content] of Object.entries(config.data)) fs.writeFileSync(path.join(out, file), content);
}
judge('no object has a field that Kubernetes does not know', typeProblems(cases));

// The judges themselves must see what is wrong.
const planted = structuredClone(cases[0][1].find((one) => one.kind === 'Deployment'));
planted.spec.replicaz = 2;
planted.spec.template.spec.containers[0].livenessProbe.httpGet.prot = 1;
judge('a planted unknown field is seen', typeProblems([['planted', [planted]]]).length >= 1 ? [] : ['it was not']);
planted.spec.replicas = 'two';
judge('a planted wrong type is seen', (await schemaProblems(planted)).length === 1 ? [] : ['it was not']);
process.exit(failed ? 1 : 0);
