# fish completion for bty(1)

set -l commands disks flash inventory

complete -c bty -f
complete -c bty -n __fish_use_subcommand -a disks -d 'List the disks of this machine'
complete -c bty -n __fish_use_subcommand -a flash -d 'Write an image to a disk'
complete -c bty -n __fish_use_subcommand -a inventory -d 'Describe this machine'
complete -c bty -n __fish_use_subcommand -l server -x -d 'URL or host of bty-web'
complete -c bty -n __fish_use_subcommand -l mac -x -d 'The machine'
complete -c bty -n __fish_use_subcommand -l catalog -r -F -d 'Where the images are listed'
complete -c bty -n __fish_use_subcommand -l reboot -d 'Reboot when the work is done'
complete -c bty -n __fish_use_subcommand -l version -d 'Print the version'
complete -c bty -n __fish_use_subcommand -l help -d 'Print the help'
complete -c bty -n "__fish_seen_subcommand_from $commands" -l json -d 'As JSON'
complete -c bty -n '__fish_seen_subcommand_from flash' -l image -r -F -d 'URL, path, or -'
complete -c bty -n '__fish_seen_subcommand_from flash' -l disk -x -a '(lsblk -dnpo NAME 2>/dev/null)' -d 'Serial or path'
complete -c bty -n '__fish_seen_subcommand_from flash' -l sha256 -x -d 'Digest that the bytes must have'
complete -c bty -n '__fish_seen_subcommand_from flash' -l format -x -a 'img img.gz img.zst img.xz img.bz2 qcow2'
complete -c bty -n '__fish_seen_subcommand_from flash' -l no-digest -d 'Do not compute the digest'
complete -c bty -n '__fish_seen_subcommand_from flash' -l grow -d 'Let the last partition end with the disk'
complete -c bty -n '__fish_seen_subcommand_from flash' -l verify -d 'Read the disk back and compare'
complete -c bty -n '__fish_seen_subcommand_from flash' -l yes -d 'Do not ask'
