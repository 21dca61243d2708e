<?php
// The people whom this identity provider knows.
$config = [
    'people' => [
        'exampleauth:UserPass',
        'alice:violet-lantern-73' => [
            'uid' => ['alice'],
            'mail' => ['alice@corp.example'],
            'displayName' => ['Alice Anders'],
            'groups' => ['staff', 'nurses & doctors'],
        ],
        'bob:copper-kettle-58' => [
            'uid' => ['bob'],
            'mail' => ['bob@corp.example'],
            'displayName' => ['Bob <Brandt>'],
        ],
    ],
];
