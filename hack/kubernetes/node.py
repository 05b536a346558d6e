"""The node of a box: containerd, kubelet, kube-proxy, cluster DNS, and the volumes that claims can bind."""
import json

import image_archive
from box import NODE
from control_plane import kubectl_in
from report import Failure

POD_RANGE = "198.18.1.0/24"
PODS_MAX = 200  # of the 253 addresses in that range
VOLUMES = 30  # each serves one claim in the box's life
VOLUME_SIZE = "10Gi"  # nothing holds a volume to it

CONTAINERD = """version = 2
root = "{folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  # Without CAP_SYS_RESOURCE the sandbox's negative score is refused and no pod starts.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

DNS = """.:53 {{
  bind {node}
  errors
  ready
  kubernetes cluster.local {{
    kubeconfig {kubeconfig}
  }}
  cache 5
}}
"""


def start(box, programs):
    start_containerd(box, programs)
    start_kubelet(box, programs)
    box.start("kube-proxy", programs, "kube-proxy", f"--kubeconfig={box.kubeconfig}", "--hostname-override=node1",
              f"--cluster-cidr={POD_RANGE}", "--proxy-mode=iptables",
              # Other limits would be written to sysctls that a namespace may not write.
              "--conntrack-max-per-core=0", "--conntrack-min=0", "--conntrack-tcp-timeout-established=0",
              "--conntrack-tcp-timeout-close-wait=0")
    (box.folder / "Corefile").write_text(DNS.format(node=NODE, kubeconfig=box.kubeconfig))
    box.start("coredns", programs, "coredns", "-conf", box.folder / "Corefile")
    kubectl = kubectl_in(box, programs)
    make_volumes(box, kubectl)
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    box.wait("kubelet", lambda: kubectl("get", "node", "node1", "-o", ready).stdout == "True", 90)


def start_containerd(box, programs):
    network = {"cniVersion": "1.0.0", "name": "pods", "plugins": [
        {"type": "bridge", "bridge": "pods0", "isGateway": True, "hairpinMode": True,
         "ipam": {"type": "host-local", "dataDir": f"{box.folder}/ipam", "ranges": [[{"subnet": POD_RANGE}]],
                  "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": True}}]}
    (box.folder / "cni").mkdir(exist_ok=True)
    (box.folder / "cni" / "10-pods.conflist").write_text(json.dumps(network))
    (box.folder / "containerd.toml").write_text(CONTAINERD.format(folder=box.folder, socket=box.socket))
    box.start("containerd", programs, "containerd", "-c", box.folder / "containerd.toml")
    layer = image_archive.Layer()
    layer.add(box.program, "/pause")
    archive = box.folder / "pause.tar"
    image_archive.write("localhost/pause:1", archive, layer, ["/pause"])
    box.wait("containerd", lambda: box.run(*ctr(box), "version", check=False).returncode == 0, 30)
    load_image(box, archive)


def ctr(box):
    return ("ctr", "--address", box.socket, "--namespace", "k8s.io")


def load_image(box, archive):
    return box.run(*ctr(box), "images", "import", archive, capture=True)


def start_kubelet(box, programs):
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": f"{box.folder}/pki/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        # A root of its own: a kubelet ends the pods it does not know below its root.
        "cgroupRoot": f"/{box.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [NODE],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{box.socket}",
        "resolvConf": "/dev/null",
        "maxPods": PODS_MAX,
        "podLogsDir": f"{box.folder}/pod-logs",
        "evictionHard": {"imagefs.available": "1%", "nodefs.available": "1%", "memory.available": "100Mi"},
        # There is no registry to bring a collected image back from.
        "imageGCHighThresholdPercent": 100,
    }
    path = box.folder / "kubelet.json"
    path.write_text(json.dumps(config, indent=1))
    box.start("kubelet", programs, "kubelet", f"--config={path}", f"--kubeconfig={box.kubeconfig}",
              f"--root-dir={box.folder}/kubelet", "--hostname-override=node1", f"--node-ip={NODE}")


def make_volumes(box, kubectl):
    """A default StorageClass and volumes made beforehand: there is no provisioner."""
    items = [{
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "box", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}]
    on_node = {"required": {"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1"]}]}]}}
    for number in range(1, VOLUMES + 1):
        folder = box.folder / "volumes" / f"v{number:02}"
        folder.mkdir(parents=True, exist_ok=True)
        items.append({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": folder.name},
            "spec": {"capacity": {"storage": VOLUME_SIZE}, "accessModes": ["ReadWriteOnce"],
                     "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "box",
                     "local": {"path": str(folder)}, "nodeAffinity": on_node}})
    done = kubectl("apply", "--server-side", "-f", "-",
                   text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    if done.returncode != 0:
        raise Failure(f"the box's volumes: {done.stderr}")
