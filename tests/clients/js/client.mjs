// What programs in JavaScript do with @kubernetes/client-node.  Prints a line for each thing that held;
// the first thing that does not ends it.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as k8s from '@kubernetes/client-node';

const namespace = process.argv[2];
const kc = new k8s.KubeConfig();
kc.loadFromDefault();
const core = kc.makeApiClient(k8s.CoreV1Api);
const held = (what) => console.log(`held: ${what}`);

async function until(what, condition) {
    for (let i = 0; i < 150; i++) {
        if (condition()) return;
        await sleep(100);
    }
    assert.fail(`${what} did not come`);
}

const configMap = (name, data) => ({ metadata: { name, labels: { from: 'js' } }, data });

async function objects() {
    await core.createNamespacedConfigMap({ namespace, body: configMap('a', { x: '1' }) });
    const read = await core.readNamespacedConfigMap({ namespace, name: 'a' });
    assert.equal(read.data.x, '1');
    assert.ok(read.metadata.creationTimestamp instanceof Date);
    held('create and read');
    await assert.rejects(core.createNamespacedConfigMap({ namespace, body: configMap('a', {}) }),
        (e) => e.code === 409 && JSON.parse(e.body).reason === 'AlreadyExists');
    held('a conflict is a 409 with its reason');
    read.data.x = '2';
    const replaced = await core.replaceNamespacedConfigMap({ namespace, name: 'a', body: read });
    assert.equal(replaced.data.x, '2');
    await assert.rejects(core.replaceNamespacedConfigMap({ namespace, name: 'a', body: read }), (e) => e.code === 409);
    held('a stale replace is refused');
    const list = await core.listNamespacedConfigMap({ namespace, labelSelector: 'from=js' });
    assert.deepEqual(list.items.map((i) => i.metadata.name), ['a']);
    held('list by label');
}

async function patches() {
    const patch = (type, body, more = {}) => core.patchNamespacedConfigMap({ namespace, name: 'a', body, ...more },
        k8s.setHeaderOptions('Content-Type', type));
    let now = await patch(k8s.PatchStrategy.JsonPatch, [{ op: 'replace', path: '/data/x', value: '3' }]);
    assert.equal(now.data.x, '3');
    now = await patch(k8s.PatchStrategy.MergePatch, { data: { y: '1', x: null } });
    assert.deepEqual(now.data, { y: '1' });
    now = await patch(k8s.PatchStrategy.StrategicMergePatch, { metadata: { labels: { more: 'yes' } } });
    assert.deepEqual(now.metadata.labels, { from: 'js', more: 'yes' });
    held('three patches');
    const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { z: '1' } };
    now = await patch(k8s.PatchStrategy.ServerSideApply, applied, { fieldManager: 'js' });
    assert.deepEqual(now.data, { y: '1', z: '1' });
    await assert.rejects(
        patch(k8s.PatchStrategy.ServerSideApply, { ...applied, data: { z: '2' } }, { fieldManager: 'other' }),
        (e) => e.code === 409 && /conflict with "js"/.test(JSON.parse(e.body).message));
    now = await patch(k8s.PatchStrategy.ServerSideApply, { ...applied, data: {} }, { fieldManager: 'js' });
    assert.deepEqual(now.data, { y: '1' });
    held('server-side apply: own, conflict, give up');
}

async function watches() {
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const list = await core.listNamespacedConfigMap({ namespace });
    const seen = [];
    const follow = (resourceVersion) => new k8s.Watch(kc).watch(path, { resourceVersion, allowWatchBookmarks: true },
        (type, object) => seen.push(`${type} ${object.metadata.name ?? ''}`), () => {});
    let request = await follow(list.metadata.resourceVersion);
    await core.createNamespacedConfigMap({ namespace, body: configMap('b', {}) });
    await until('ADDED b', () => seen.includes('ADDED b'));
    request.abort();
    const from = (await core.readNamespacedConfigMap({ namespace, name: 'b' })).metadata.resourceVersion;
    await core.deleteNamespacedConfigMap({ namespace, name: 'b' });
    seen.length = 0;
    request = await follow(from);
    await until('DELETED b', () => seen.includes('DELETED b'));
    assert.ok(!seen.includes('ADDED b'));
    request.abort();
    held('a watch resumes where it ended');
}

async function informer() {
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const names = () => informed.list(namespace).map((o) => o.metadata.name).sort();
    const informed = k8s.makeInformer(kc, path, () => core.listNamespacedConfigMap({ namespace }));
    const events = [];
    for (const event of ['add', 'update', 'delete'])
        informed.on(event, (o) => events.push(`${event} ${o.metadata.name}`));
    await informed.start();
    await until('the list', () => names().includes('a'));
    await core.createNamespacedConfigMap({ namespace, body: configMap('c', {}) });
    await until('add c', () => events.includes('add c') && names().includes('c'));
    await core.deleteNamespacedConfigMap({ namespace, name: 'c' });
    await until('delete c', () => events.includes('delete c') && !names().includes('c'));
    await informed.stop();
    held('an informer');
}

async function kinds() {
    const client = k8s.KubernetesObjectApi.makeApiClient(kc);
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'r', namespace },
        rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] };
    await client.create(role);
    assert.equal((await client.read(role)).rules[0].verbs[0], 'get');
    await client.delete(role);
    await assert.rejects(client.read(role), (e) => e.code === 404);
    const version = await kc.makeApiClient(k8s.VersionApi).getCode();
    assert.equal(version.major, '1');
    held('any kind by its name, and the version');
}

for (const step of [objects, patches, watches, informer, kinds]) await step();
process.exit(0);
