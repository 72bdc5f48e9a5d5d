"""What the bundled program starts with."""

import multiprocessing

if __name__ == "__main__":
    # A worker of a batch is this very program started anew: it must become a worker before anything else happens.
    multiprocessing.freeze_support()
    from app.__main__ import main

    main()
