// What must hold for everything the chart renders, beyond what Kubernetes' schemas say. Each policy takes a case's
// objects and returns its problems.

const podsOf = (objects) => objects.filter((one) => one.spec?.template?.spec?.containers)
  .map((one) => ({owner: `${one.kind} ${one.metadata.name}`, kind: one.kind, meta: one.spec.template.metadata,
    spec: one.spec.template.spec}));
const containersOf = (pod) => [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
const complain = (problems, bad, what) => bad && problems.push(what);
const covers = (labels, selector) => Object.entries(selector).every(([key, value]) => labels[key] === value);
const daemonOf = (objects) => podsOf(objects).find((pod) => pod.kind === 'Deployment');

function eachContainer(objects, look) {
  const problems = [];
  for (const pod of podsOf(objects)) {
    for (const container of containersOf(pod)) {
      for (const what of look(container, pod)) problems.push(`${pod.owner}, ${container.name}: ${what}`);
    }
  }
  return problems;
}

function runsWithoutRoot(objects) {
  const problems = [];
  for (const {owner, spec} of podsOf(objects)) {
    const context = spec.securityContext ?? {};
    complain(problems, context.runAsNonRoot !== true || !(context.runAsUser > 0), `${owner} may run as root`);
    complain(problems, context.seccompProfile?.type !== 'RuntimeDefault', `${owner} has no seccomp profile`);
    complain(problems, spec.automountServiceAccountToken !== false, `${owner} gets a token of Kubernetes`);
    complain(problems, spec.hostNetwork || spec.hostPID || spec.hostIPC, `${owner} shares the host`);
  }
  return problems.concat(eachContainer(objects, ({securityContext: context = {}}) => [
    context.allowPrivilegeEscalation !== false && 'may gain privileges',
    context.privileged !== false && 'may be privileged',
    context.readOnlyRootFilesystem !== true && 'writes its root',
    context.runAsNonRoot !== true && 'may be root',
    JSON.stringify(context.capabilities) !== '{"drop":["ALL"]}' && 'keeps capabilities',
  ].filter(Boolean)));
}

function hasLimits(objects) {
  return eachContainer(objects, ({resources = {}}) =>
    ['requests', 'limits'].flatMap((part) => ['cpu', 'memory'].filter((what) => !resources[part]?.[what])
      .map((what) => `no ${part}.${what}`)));
}

function namesItsImage(objects) {
  return eachContainer(objects, ({image}) =>
    /^[^\s:@]+(\/[^\s:@]+)*(:[^\s:@]+|@sha256:[0-9a-f]{64})$/.test(image) && !image.endsWith(':latest')
      ? [] : [`image ${image} has no version`]);
}

function showsNoSecret(objects) {
  const telling = /PRIVATE KEY|passw(or)?d\s*=|\bpin\s*[:=]\s*\S/i;
  const problems = [];
  for (const object of objects.filter((one) => one.kind === 'ConfigMap')) {
    for (const [file, text] of Object.entries(object.data)) {
      complain(problems, file !== 'assay.json' && telling.test(text), `ConfigMap ${object.metadata.name}: ${file}`);
    }
  }
  complain(problems, objects.some((one) => one.kind === 'Secret'), 'the chart makes a Secret, so a value held one');
  return problems.concat(eachContainer(objects, (container) => [
    telling.test([...(container.command ?? []), ...(container.args ?? [])].join(' ')) && 'a secret in its arguments',
    (container.env ?? []).some((one) => /pin$|passw|secret/i.test(one.name)) && 'a secret in its environment',
  ].filter(Boolean)));
}

function mountsWhatThereIs(objects) {
  const problems = [];
  const config = new Set(objects.filter((one) => one.kind === 'ConfigMap').map((one) => one.metadata.name));
  for (const pod of podsOf(objects)) {
    const volumes = (pod.spec.volumes ?? []).map((one) => one.name);
    const mounted = new Set(containersOf(pod).flatMap((one) => one.volumeMounts ?? []).map((one) => one.name));
    for (const name of mounted) complain(problems, !volumes.includes(name), `${pod.owner}: no volume ${name}`);
    for (const name of volumes) complain(problems, !mounted.has(name), `${pod.owner}: volume ${name} is not mounted`);
    complain(problems, new Set(volumes).size !== volumes.length, `${pod.owner}: a volume twice`);
    const own = pod.spec.volumes.find((one) => one.name === 'config').configMap.name;
    complain(problems, !config.has(own), `${pod.owner}: no ConfigMap ${own}`);
    for (const container of containersOf(pod)) {
      const paths = (container.volumeMounts ?? []).map((one) => one.mountPath);
      complain(problems, new Set(paths).size !== paths.length, `${pod.owner}, ${container.name}: a path twice`);
    }
  }
  return problems;
}

function selectsTheDaemonOnly(objects) {
  const problems = [];
  const daemon = daemonOf(objects).meta.labels;
  const job = podsOf(objects).find((pod) => pod.kind === 'Job')?.meta.labels ?? {};
  const selectors = objects.flatMap((one) => ({
    Service: [one.spec?.selector],
    Deployment: [one.spec?.selector?.matchLabels],
    PodDisruptionBudget: [one.spec?.selector?.matchLabels],
  }[one.kind] ?? []).map((selector) => [`${one.kind} ${one.metadata.name}`, selector]));
  for (const [title, selector] of selectors) {
    complain(problems, !selector || !covers(daemon, selector), `${title} does not select the daemon`);
    complain(problems, selector && covers(job, selector), `${title} selects the migration too`);
  }
  const ports = daemonOf(objects).spec.containers[0].ports.map((one) => one.name);
  for (const service of objects.filter((one) => one.kind === 'Service')) {
    for (const {targetPort} of service.spec.ports) {
      complain(problems, !ports.includes(targetPort), `${service.metadata.name}: no port ${targetPort}`);
    }
  }
  for (const monitor of objects.filter((one) => one.kind === 'ServiceMonitor')) {
    const watched = objects.filter((one) => one.kind === 'Service' &&
      covers(one.metadata.labels, monitor.spec.selector.matchLabels));
    complain(problems, watched.length !== 1, `ServiceMonitor finds ${watched.length} Services`);
    complain(problems, !watched[0]?.spec.ports.some((one) => one.name === monitor.spec.endpoints[0].port),
      'ServiceMonitor names a port the Service has not');
  }
  return problems;
}

function endsWithinItsGrace(objects, yaml) {
  const {spec} = daemonOf(objects);
  const {limits} = yaml.load(objects.find((one) => one.kind === 'ConfigMap' && one.data['assayd.yaml'])
    .data['assayd.yaml']);
  const seconds = (text) => Number(/^(\d+)s$/.exec(text)[1]);
  const needed = seconds(limits.drain) + seconds(limits.drain_delay);
  return spec.terminationGracePeriodSeconds > needed
    ? [] : [`grace ${spec.terminationGracePeriodSeconds} s, draining takes ${needed} s`];
}

function probesTheRightThings(objects) {
  const [container] = daemonOf(objects).spec.containers;
  const path = (probe) => container[probe]?.httpGet?.path;
  return path('startupProbe') === '/livez' && path('livenessProbe') === '/livez' && path('readinessProbe') === '/readyz'
    ? [] : ['liveness must be /livez and readiness /readyz'];
}

function standsWithTheKindOfService(objects, yaml) {
  const problems = [];
  const deployment = objects.find((one) => one.kind === 'Deployment');
  const text = objects.find((one) => one.kind === 'ConfigMap' && one.data['assayd.yaml']).data['assayd.yaml'];
  const scaler = objects.find((one) => one.kind === 'HorizontalPodAutoscaler');
  if (yaml.load(text).mode === 'sandbox') {
    complain(problems, deployment.spec.replicas !== 1 || deployment.spec.strategy.type !== 'Recreate',
      'a SoftHSM token is shared');
  } else {
    complain(problems, !(deployment.spec.replicas >= 2) && !(scaler?.spec.minReplicas >= 2), 'one replica only');
    complain(problems, scaler && 'replicas' in deployment.spec, 'replicas contend with the autoscaler');
    complain(problems, deployment.spec.strategy.rollingUpdate.maxUnavailable !== 0, 'an update takes replicas away');
  }
  for (const object of objects) {
    complain(problems, object.metadata.name.length > 63, `${object.metadata.name}: longer than 63`);
  }
  return problems;
}

export const policies = [
  ['nothing runs as root or gains privileges', runsWithoutRoot],
  ['everything has requests and limits', hasLimits],
  ['every image has a version', namesItsImage],
  ['no secret stands in a ConfigMap, an argument or the environment', showsNoSecret],
  ['every mount has its volume and every volume its mount', mountsWhatThereIs],
  ['every selector finds the daemon, and it only', selectsTheDaemonOnly],
  ['draining ends within the grace', endsWithinItsGrace],
  ['liveness asks for life, readiness for HSM and database', probesTheRightThings],
  ['replicas, strategy and names are sound', standsWithTheKindOfService],
];
