"""The smallest scenarios that several test modules start from."""

PAIR = """\
seed: 1
system:
  components:
    P1: {kind: abstract}
    P2: {kind: abstract}
  links:
    net: {kind: ideal, bandwidth: 1 B/s, between: [P1, P2]}
workload:
  tasks:
    n1: {cost: {P1: 14 s, P2: 16 s}}
    n2: {cost: {P1: 13 s, P2: 19 s}, after: {n1: 18 B}}
"""
CPU = "{kind: cpu, vector: {fp32: 1 TFLOP/s}, energy: {fp32: 1 pJ/OP}, memory: {bandwidth: 100 GB/s}}"
