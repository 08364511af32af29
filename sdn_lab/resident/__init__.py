"""A lab that stays: a process that holds a `Lab`, and what asks it.

    command --(abstract socket)-- resident ----- controller, simulator        `--backend sim`
      up, status, check, exec,       '---------- keeper - lab daemon - ...    `--backend mininet`
      capture, apply, down

| module | does |
|---|---|
| `address` | where a resident is found: names, sockets, who may speak to whom |
| `values` | scenarios, options and reports as bytes |
| `birth` | the command's side of `up`: start a resident, wait until its lab is up |
| `life` | the resident's main thread: build, serve, end |
| `jobs` | what moves the lab, one after the other, in that thread |
| `server` | connections, each in a thread of its own; `requests` answers them, `asked` is one of them |
| `execute` | programs on the caller's own input and output |
| `links` | the underlay's links: cut, mend, which there are |
| `capture` | what passes points of the lab, into a file; `pcapng` writes it |
| `status` | what can be said of a lab at this moment |
| `client` | the command's side of everything else |
| `gone` | waits until a process and all below it have ended |

Only this package and the command know that there is such a process; `sdn_lab.lab` does not (docs/adr/0005).
"""
